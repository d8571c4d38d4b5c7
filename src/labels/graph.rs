//! The parts of a graph of items.

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

/// The strongly connected parts (Tarjan 1972), each ascending, no edge going from a later part to an
/// earlier one.
pub(super) fn strong_parts(items: usize, edges: &[(usize, usize)]) -> Vec<Vec<usize>> {
    const UNSEEN: usize = usize::MAX;
    let (starts, targets) = by_source(items, edges);
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
                let target = targets[next[item]];
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

/// The targets of all edges, those of a source `s` at `starts[s]..starts[s + 1]`.
fn by_source(items: usize, edges: &[(usize, usize)]) -> (Vec<usize>, Vec<usize>) {
    let mut starts = vec![0; items + 1];
    for &(source, _) in edges {
        starts[source + 1] += 1;
    }
    for item in 0..items {
        starts[item + 1] += starts[item];
    }
    let mut place = starts.clone();
    let mut targets = vec![0; edges.len()];
    for &(source, target) in edges {
        targets[place[source]] = target;
        place[source] += 1;
    }
    (starts, targets)
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
