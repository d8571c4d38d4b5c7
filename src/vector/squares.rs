//! Transposing, by squares that the machine's registers take.

use super::element::Element;
use pulp::bytemuck;

#[cfg(target_arch = "x86_64")]
pub use pulp::core_arch::x86::Avx;

/// The means to transpose a square, which this machine does not have.
#[cfg(not(target_arch = "x86_64"))]
#[derive(Debug, Clone, Copy)]
pub enum Avx {}

/// The means to transpose.
#[derive(Clone, Copy)]
pub(crate) struct Squares {
    avx: Option<Avx>,
}

impl Squares {
    pub(crate) fn new() -> Self {
        #[cfg(target_arch = "x86_64")]
        let avx = Avx::try_new();
        #[cfg(not(target_arch = "x86_64"))]
        let avx = None;
        Self { avx }
    }

    /// Turns so many rows into columns, and columns into rows.
    #[inline(always)]
    pub(crate) fn transpose<F: Element>(
        self,
        from: &[F::Number],
        (rows, columns): (usize, usize),
        into: &mut [F::Number],
    ) {
        // A constant takes bounds and strides out of the loops.
        match (rows, columns) {
            (8, 8) => self.transpose_any::<F>(from, (8, 8), into),
            (8, _) => self.transpose_any::<F>(from, (8, columns), into),
            (_, 8) => self.transpose_any::<F>(from, (rows, 8), into),
            (2, _) => self.transpose_any::<F>(from, (2, columns), into),
            (_, 2) => self.transpose_any::<F>(from, (rows, 2), into),
            _ => self.transpose_any::<F>(from, (rows, columns), into),
        }
    }

    #[inline(always)]
    fn transpose_any<F: Element>(
        self,
        from: &[F::Number],
        (rows, columns): (usize, usize),
        into: &mut [F::Number],
    ) {
        let (from, into) = (&from[..rows * columns], &mut into[..rows * columns]);
        let side = F::SIDE;
        let whole = self.avx.map_or((0, 0), |_| (rows / side * side, columns / side * side));
        if let Some(avx) = self.avx {
            for first in 0..rows / side {
                for second in 0..columns / side {
                    let (row, column) = (first * side, second * side);
                    let mut square: F::Square = bytemuck::Zeroable::zeroed();
                    for k in 0..side {
                        let line = &from[(row + k) * columns + column..][..side];
                        numbers::<F>(&mut square)[k * side..][..side].copy_from_slice(line);
                    }
                    let mut square = F::transposed(avx, square);
                    for k in 0..side {
                        let line = &mut into[(column + k) * rows + row..][..side];
                        line.copy_from_slice(&numbers::<F>(&mut square)[k * side..][..side]);
                    }
                }
            }
        }
        if whole == (rows, columns) {
            return;
        }
        for (row, numbers) in from.chunks_exact(columns.max(1)).enumerate() {
            let first = if row < whole.0 { whole.1 } else { 0 };
            for (column, &number) in numbers.iter().enumerate().skip(first) {
                into[column * rows + row] = number;
            }
        }
    }
}

/// The rows of a square, one after another.
#[inline(always)]
fn numbers<F: Element>(square: &mut F::Square) -> &mut [F::Number] {
    bytemuck::cast_slice_mut(std::slice::from_mut(square))
}

/// Eight rows of eight.
#[inline(always)]
#[cfg(target_arch = "x86_64")]
pub(super) fn transposed_f32(avx: Avx, square: [[f32; 8]; 8]) -> [[f32; 8]; 8] {
    let rows: [std::arch::x86_64::__m256; 8] = bytemuck::cast(square);
    // Twos of rows, then fours, then all.
    let [mut twos, mut fours, mut all] = [rows; 3];
    for k in [0, 2, 4, 6] {
        twos[k] = avx._mm256_unpacklo_ps(rows[k], rows[k + 1]);
        twos[k + 1] = avx._mm256_unpackhi_ps(rows[k], rows[k + 1]);
    }
    for k in [0, 1, 4, 5] {
        fours[k / 4 * 4 + k % 4 * 2] = avx._mm256_shuffle_ps::<0x44>(twos[k], twos[k + 2]);
        fours[k / 4 * 4 + k % 4 * 2 + 1] = avx._mm256_shuffle_ps::<0xee>(twos[k], twos[k + 2]);
    }
    for k in 0..4 {
        all[k] = avx._mm256_permute2f128_ps::<0x20>(fours[k], fours[k + 4]);
        all[k + 4] = avx._mm256_permute2f128_ps::<0x31>(fours[k], fours[k + 4]);
    }
    bytemuck::cast(all)
}

/// Four rows of four.
#[inline(always)]
#[cfg(target_arch = "x86_64")]
pub(super) fn transposed_f64(avx: Avx, square: [[f64; 4]; 4]) -> [[f64; 4]; 4] {
    let rows: [std::arch::x86_64::__m256d; 4] = bytemuck::cast(square);
    let [mut twos, mut all] = [rows; 2];
    for k in [0, 2] {
        twos[k] = avx._mm256_unpacklo_pd(rows[k], rows[k + 1]);
        twos[k + 1] = avx._mm256_unpackhi_pd(rows[k], rows[k + 1]);
    }
    for k in 0..2 {
        all[k] = avx._mm256_permute2f128_pd::<0x20>(twos[k], twos[k + 2]);
        all[k + 2] = avx._mm256_permute2f128_pd::<0x31>(twos[k], twos[k + 2]);
    }
    bytemuck::cast(all)
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) fn transposed_f32(avx: Avx, _: [[f32; 8]; 8]) -> [[f32; 8]; 8] {
    match avx {}
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) fn transposed_f64(avx: Avx, _: [[f64; 4]; 4]) -> [[f64; 4]; 4] {
    match avx {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn squares_are_transposed_as_numbers_are<E: Element>() {
        for (rows, columns) in [(1, 1), (2, 7), (4, 4), (8, 8), (16, 8), (8, 21), (9, 12), (0, 3)] {
            let from: Vec<_> = (0..rows * columns).map(|k| E::from_f64(k as f64)).collect();
            let mut into = vec![E::from_f64(f64::NAN); from.len()];
            Squares::new().transpose::<E>(&from, (rows, columns), &mut into);
            let mut plainly = into.clone();
            Squares { avx: None }.transpose::<E>(&from, (rows, columns), &mut plainly);
            for row in 0..rows {
                for column in 0..columns {
                    let number = from[row * columns + column];
                    assert_eq!(into[column * rows + row], number, "{rows}×{columns}");
                    assert_eq!(plainly[column * rows + row], number, "{rows}×{columns}");
                }
            }
        }
    }

    #[test]
    fn squares_of_either_type_are_transposed() {
        squares_are_transposed_as_numbers_are::<super::super::element::Single>();
        squares_are_transposed_as_numbers_are::<super::super::element::Double>();
    }
}
