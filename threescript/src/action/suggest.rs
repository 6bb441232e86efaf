//! "Did you mean": the known name that is nearest to a name that is not known.

/// The nearest of the known names, if it is near enough to be meant. Of equally near ones, the first in the alphabet.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // A quotation of a whole file is nobody's misspelling, and the distance costs the product of the lengths.
    const LONGEST: usize = 64;
    let length = name.chars().count();
    if length > LONGEST {
        return None;
    }
    let near = known
        .filter(|other| other.chars().count() <= LONGEST)
        .map(|other| (distance(name, other), other));
    near.filter(|(distance, _)| *distance <= 1 + length / 4)
        .min()
        .map(|(_, other)| other)
}

/// How many characters must be inserted, removed or replaced to come from one text to the other.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (above, character) in left.chars().enumerate() {
        let mut diagonal = above;
        row[0] = above + 1;
        for (index, other) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(character != *other);
            diagonal = row[index + 1];
            row[index + 1] = replaced.min(row[index] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}
