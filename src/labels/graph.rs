//! The parts and cycles of a graph of items.

use super::limits::narrow;

/// The connected parts, each ascending, in the order of their least items.
pub(super) fn connected_parts(
    items: usize,
    edges: impl Iterator<Item = (usize, usize)>,
) -> Vec<Vec<usize>> {
    let mut parent: Vec<usize> = (0..items).collect();
    let root = |parent: &mut [usize], mut item: usize| {
        while parent[item] != item {
            parent[item] = parent[parent[item]];
            item = parent[item];
        }
        item
    };
    for (i, j) in edges {
        let (i, j) = (root(&mut parent, i), root(&mut parent, j));
        // The least item of a part is its root.
        parent[i.max(j)] = i.min(j);
    }
    let mut place = vec![0; items];
    let mut parts: Vec<Vec<usize>> = Vec::new();
    for item in 0..items {
        let root = root(&mut parent, item);
        if root == item {
            place[item] = parts.len();
            parts.push(Vec::new());
        }
        parts[place[root]].push(item);
    }
    parts
}

/// The arcs of a directed graph, each with a label, by their sources.
pub(super) struct Arcs<L> {
    /// The arcs of a source `s` stand at `starts[s]..starts[s + 1]`.
    starts: Vec<usize>,
    targets: Vec<u32>,
    labels: Vec<L>,
}

impl<L: Copy + Default> Arcs<L> {
    /// The arcs (source, target, label), which `arcs` gives twice: counted first, they take no more
    /// memory than they need.
    pub(super) fn new<I: Iterator<Item = (usize, usize, L)>>(
        items: usize,
        arcs: impl Fn() -> I,
    ) -> Self {
        let mut starts = vec![0; items + 1];
        for (source, ..) in arcs() {
            starts[source + 1] += 1;
        }
        for item in 0..items {
            starts[item + 1] += starts[item];
        }
        let mut place = starts.clone();
        let mut targets = vec![0; starts[items]];
        let mut labels = vec![L::default(); starts[items]];
        for (source, target, label) in arcs() {
            targets[place[source]] = narrow(target);
            labels[place[source]] = label;
            place[source] += 1;
        }
        Self { starts, targets, labels }
    }

    pub(super) fn items(&self) -> usize {
        self.starts.len() - 1
    }

    /// Targets and labels of a source's arcs.
    pub(super) fn from(&self, source: usize) -> impl Iterator<Item = (usize, L)> + '_ {
        let arcs = self.starts[source]..self.starts[source + 1];
        let targets = self.targets[arcs.clone()].iter().map(|&target| target as usize);
        targets.zip(self.labels[arcs].iter().copied())
    }

    /// The strongly connected parts (Tarjan 1972), each ascending, no arc going from a later part to
    /// an earlier one.
    pub(super) fn strong_parts(&self) -> Vec<Vec<usize>> {
        const UNSEEN: usize = usize::MAX;
        let Self { starts, targets, .. } = self;
        let items = self.items();
        let mut number = vec![UNSEEN; items];
        let mut low = vec![0; items];
        let mut on_stack = vec![false; items];
        let (mut stack, mut path) = (Vec::new(), Vec::new());
        let mut next = starts[..items].to_vec();
        let mut seen = 0;
        let mut parts = Vec::new();
        for start in 0..items {
            if number[start] == UNSEEN {
                path.push(start);
            }
            while let Some(&item) = path.last() {
                if number[item] == UNSEEN {
                    (number[item], low[item]) = (seen, seen);
                    seen += 1;
                    stack.push(item);
                    on_stack[item] = true;
                }
                if next[item] < starts[item + 1] {
                    let target = targets[next[item]] as usize;
                    next[item] += 1;
                    if number[target] == UNSEEN {
                        path.push(target);
                    } else if on_stack[target] {
                        low[item] = low[item].min(number[target]);
                    }
                    continue;
                }
                path.pop();
                if let Some(&parent) = path.last() {
                    low[parent] = low[parent].min(low[item]);
                }
                if low[item] == number[item] {
                    let at = stack.iter().rposition(|&other| other == item).unwrap_or(0);
                    let mut part = stack.split_off(at);
                    for &member in &part {
                        on_stack[member] = false;
                    }
                    part.sort_unstable();
                    parts.push(part);
                }
            }
        }
        // Tarjan's algorithm finishes a part after all that it leads to.
        parts.reverse();
        parts
    }

    /// A cycle of negative length, as the sum of its labels; none where no cycle is shorter than 0.
    ///
    /// Bellman and Ford, from the lengths along a tree of depth-first search, which are right at once
    /// where all cycles have length 0; after each round the arcs that gave the lengths are searched
    /// for a cycle, which is a negative one. The graph has to be strongly connected.
    pub(super) fn negative_cycle(
        &self,
        length: impl Fn(L) -> i64,
        add: impl Fn(L, L) -> L,
    ) -> Option<L> {
        let items = self.items();
        let mut parents: Vec<Option<(u32, L)>> = vec![None; items];
        let mut lengths = self.tree_lengths(&length, &mut parents);
        let mut active: Vec<usize> = (0..items).collect();
        let mut next = Vec::new();
        let mut waits = vec![false; items];
        while !active.is_empty() {
            for &source in &active {
                waits[source] = false;
                for (target, label) in self.from(source) {
                    let through = lengths[source] + length(label);
                    if through < lengths[target] {
                        lengths[target] = through;
                        parents[target] = Some((narrow(source), label));
                        if !std::mem::replace(&mut waits[target], true) {
                            next.push(target);
                        }
                    }
                }
            }
            if let Some(cycle) = cycle_of_parents(&parents, &add) {
                return Some(cycle);
            }
            active.clear();
            std::mem::swap(&mut active, &mut next);
        }
        None
    }

    /// Lengths along a tree from item 0 to all others.
    fn tree_lengths(
        &self,
        length: impl Fn(L) -> i64,
        parents: &mut [Option<(u32, L)>],
    ) -> Vec<i64> {
        let items = self.items();
        let mut lengths = vec![0; items];
        let mut seen = vec![false; items];
        let mut path: Vec<usize> = (items > 0).then_some(0).into_iter().collect();
        seen.iter_mut().take(1).for_each(|seen| *seen = true);
        while let Some(source) = path.pop() {
            for (target, label) in self.from(source) {
                if !std::mem::replace(&mut seen[target], true) {
                    lengths[target] = lengths[source] + length(label);
                    parents[target] = Some((narrow(source), label));
                    path.push(target);
                }
            }
        }
        lengths
    }
}

/// The sum of the labels of a cycle among parents, if there is one.
fn cycle_of_parents<L: Copy>(parents: &[Option<(u32, L)>], add: impl Fn(L, L) -> L) -> Option<L> {
    // The walk that first came to each item.
    let mut walks = vec![usize::MAX; parents.len()];
    for start in 0..parents.len() {
        let mut item = start;
        while walks[item] == usize::MAX {
            walks[item] = start;
            let Some((parent, _)) = parents[item] else { break };
            item = parent as usize;
        }
        if walks[item] != start {
            continue;
        }
        let Some((parent, mut sum)) = parents[item] else { continue };
        let mut at = parent as usize;
        while at != item {
            let Some((parent, label)) = parents[at] else { break };
            sum = add(sum, label);
            at = parent as usize;
        }
        return Some(sum);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strong_parts(items: usize, edges: &[(usize, usize)]) -> Vec<Vec<usize>> {
        Arcs::new(items, || edges.iter().map(|&(i, j)| (i, j, ()))).strong_parts()
    }

    #[test]
    fn parts_are_those_of_reachability() {
        // Against the transitive closure, on all graphs of 4 items with some of 12 edges.
        let all: Vec<(usize, usize)> =
            (0..4).flat_map(|i| (0..4).filter(move |&j| j != i).map(move |j| (i, j))).collect();
        for chosen in 0_u32..1 << 12 {
            let edges: Vec<_> = (0..12).filter(|e| chosen >> e & 1 == 1).map(|e| all[e]).collect();
            let mut reach = [[false; 4]; 4];
            (0..4).for_each(|i| reach[i][i] = true);
            for &(i, j) in &edges {
                reach[i][j] = true;
            }
            for via in 0..4 {
                for i in 0..4 {
                    for j in 0..4 {
                        reach[i][j] |= reach[i][via] && reach[via][j];
                    }
                }
            }
            let parts = strong_parts(4, &edges);
            let mut place = [0; 4];
            parts.iter().enumerate().for_each(|(p, part)| part.iter().for_each(|&i| place[i] = p));
            assert_eq!(parts.iter().map(Vec::len).sum::<usize>(), 4);
            for i in 0..4 {
                for j in 0..4 {
                    assert_eq!(place[i] == place[j], reach[i][j] && reach[j][i], "{edges:?}");
                    assert!(!reach[i][j] || place[i] <= place[j], "{edges:?}");
                }
            }
            let back = edges.iter().flat_map(|&(i, j)| [(i, j), (j, i)]).collect::<Vec<_>>();
            let mut weak = strong_parts(4, &back);
            weak.sort_unstable();
            assert_eq!(connected_parts(4, edges.into_iter()), weak);
        }
    }

    #[test]
    fn long_paths_need_no_deep_stack() {
        let edges: Vec<_> = (1..100_000).map(|i| (i - 1, i)).collect();
        assert_eq!(strong_parts(100_000, &edges).len(), 100_000);
        assert_eq!(connected_parts(100_000, edges.into_iter()).len(), 1);
    }

    /// Against the shortest of all simple cycles, by trying them, on random strongly connected graphs.
    #[test]
    fn negative_cycles_are_found_where_there_are_some() {
        let mut random = crate::numeric::SplitMix64::new(5);
        let mut found = 0;
        for _ in 0..3000 {
            let items = 2 + random.below(4);
            // A ring, and some arcs more.
            let mut edges: Vec<(usize, usize)> = (0..items).map(|i| (i, (i + 1) % items)).collect();
            for _ in 0..random.below(6) {
                let source = random.below(items);
                edges.push((source, (source + 1 + random.below(items - 1)) % items));
            }
            let edges: Vec<(usize, usize, i64)> = edges
                .into_iter()
                .map(|(i, j)| (i, j, i64::try_from(random.below(5)).unwrap() - 1))
                .collect();
            let arcs = Arcs::new(items, || edges.iter().copied());
            let cycle = arcs.negative_cycle(|length| length, |a, b| a + b);
            let mut least = i64::MAX;
            for start in 0..items {
                shortest(&edges, start, start, 0, &mut vec![false; items], &mut least);
            }
            assert_eq!(cycle.is_some(), least < 0, "{edges:?}");
            assert!(cycle.is_none_or(|sum| sum < 0), "{edges:?}");
            found += usize::from(cycle.is_some());
        }
        assert!((500..2500).contains(&found), "{found}");
    }

    fn shortest(
        edges: &[(usize, usize, i64)],
        start: usize,
        at: usize,
        length: i64,
        seen: &mut Vec<bool>,
        least: &mut i64,
    ) {
        for &(_, target, step) in edges.iter().filter(|edge| edge.0 == at) {
            if target == start {
                *least = (*least).min(length + step);
            } else if !seen[target] && target > start {
                seen[target] = true;
                shortest(edges, start, target, length + step, seen, least);
                seen[target] = false;
            }
        }
    }
}
