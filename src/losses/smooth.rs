//! Losses of soft ranks: metrics made smooth, one file a formula.

mod approx_ndcg;

pub use approx_ndcg::ApproxNdcg;
