//! What somebody may have meant.

/// The names nearest to `wanted` among `names`, nearest first: at most three, and none that shares
/// too little with it.
pub(super) fn nearest<'n>(wanted: &str, names: impl Iterator<Item = &'n str>) -> Vec<String> {
    let limit = (wanted.chars().count() / 3).max(2);
    let mut near: Vec<(usize, &str)> = names
        .filter(|name| name.len().abs_diff(wanted.len()) <= limit + 8)
        .map(|name| (score(wanted, name), name))
        .filter(|(score, _)| *score <= limit)
        .collect();
    near.sort();
    near.dedup();
    near.into_iter().take(3).map(|(_, name)| name.to_owned()).collect()
}

/// Letters to change, with no regard to case; a name that ends in what was wanted is very near.
fn score(wanted: &str, name: &str) -> usize {
    let (wanted, name) = (wanted.to_lowercase(), name.to_lowercase());
    if name.ends_with(&wanted) {
        return 1;
    }
    distance(&wanted, &name)
}

/// The Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, c) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, d) in b.iter().enumerate() {
            let change = diagonal + usize::from(c != *d);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn typing_errors_find_their_name() {
        let names = ["main.registry", "main.sessions", "main.registrar", "fmt.ppFree"];
        assert_eq!(nearest("main.regsitry", names.into_iter())[0], "main.registry");
        assert_eq!(nearest("main.Registry", names.into_iter())[0], "main.registry");
        assert!(nearest("os.Args", names.into_iter()).is_empty());
    }
}
