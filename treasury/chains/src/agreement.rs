//! What several servers of one chain say together. Pure.

/// How many servers have to say the same, however few answer: one is believed where no more than two are configured; with three or more
/// it takes two, so that a liar is not believed in the minute in which the others are down.
pub fn least(configured: usize) -> usize {
    if configured < 3 { 1 } else { 2 }
}

/// What more than half of the answers say, and at least `least` of them, if they do.
pub fn majority<T: PartialEq>(answers: &[T], least: usize) -> Option<&T> {
    answers.iter().find(|one| {
        let count = answers.iter().filter(|other| other == one).count();
        2 * count > answers.len() && count >= least
    })
}

/// The highest place that more than half of the answers have reached, and at least `least` of them.
pub fn reached<T: Ord + Clone>(answers: &[T], least: usize) -> Option<T> {
    let mut sorted = answers.to_vec();
    sorted.sort_unstable_by(|one, other| other.cmp(one));
    let enough = (answers.len() / 2 + 1).max(least);
    sorted.get(enough - 1).cloned()
}

/// What one server showed of an ever-growing list, behind a cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown<T> {
    /// Places and what stands there, by rising place. Between two of them there is nothing: a server shows every entry on its way.
    pub entries: Vec<(u64, T)>,
}

/// What is agreed on of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgreedList<T> {
    /// The longest beginning behind the cursor on which more than half agree.
    pub entries: Vec<(u64, T)>,
    /// Which answers contradict that, by their number, and at which place.
    pub contradictions: Vec<(usize, u64)>,
}

/// The longest beginning of a list on which more than half of all answers, and at least `least`, agree place by place.
///
/// An answer that ends before a place has no opinion on it: its server may lag behind, or its page is full. An answer that shows a later
/// place, but not this one, says that nothing is there. As soon as a place is open, the rest waits: what is read in order is read once.
pub fn agree_on_list<T: PartialEq + Clone>(answers: &[Shown<T>], least: usize) -> AgreedList<T> {
    let mut places: Vec<u64> = answers
        .iter()
        .flat_map(|answer| answer.entries.iter().map(|(place, _)| *place))
        .collect();
    places.sort_unstable();
    places.dedup();
    let mut agreed = AgreedList {
        entries: Vec::new(),
        contradictions: Vec::new(),
    };
    for place in places {
        // The outer option: whether there is an opinion. The inner: what is said to be there.
        let opinions: Vec<Option<Option<&T>>> = answers
            .iter()
            .map(|answer| {
                let last = answer.entries.last().map(|(last, _)| *last);
                let has_opinion = last.is_some_and(|last| last >= place);
                has_opinion.then(|| {
                    let at = answer
                        .entries
                        .binary_search_by_key(&place, |(place, _)| *place);
                    at.ok().map(|at| &answer.entries[at].1)
                })
            })
            .collect();
        // Those without an opinion count as answers: they delay.
        let Some(Some(said)) = majority(&opinions, least) else {
            break;
        };
        if let Some(entry) = said {
            agreed.entries.push((place, (*entry).clone()));
        }
        for (number, opinion) in opinions.iter().enumerate() {
            if opinion.is_some_and(|opinion| opinion != *said) {
                agreed.contradictions.push((number, place));
            }
        }
    }
    agreed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_half_make_a_fact() {
        assert_eq!(majority::<u8>(&[], 1), None);
        assert_eq!(majority(&[1], 1), Some(&1));
        assert_eq!(majority(&[1, 2], 1), None);
        assert_eq!(majority(&[1, 2, 1], 1), Some(&1));
        assert_eq!(majority(&[1, 1, 2, 2], 1), None);
        assert_eq!(majority(&[3, 1, 2, 1, 1], 1), Some(&1));
    }

    #[test]
    fn of_three_servers_one_alone_is_not_believed() {
        assert_eq!([1, 2, 3, 9].map(least), [1, 1, 2, 2]);
        assert_eq!(majority(&[1], least(3)), None);
        assert_eq!(majority(&[1, 1], least(3)), Some(&1));
        assert_eq!(reached(&[9], least(3)), None);
        assert_eq!(reached(&[9, 7], least(3)), Some(7));
        let alone = Shown {
            entries: vec![(1, 'x')],
        };
        let agreed = agree_on_list(&[alone], least(3));
        assert!(agreed.entries.is_empty());
    }

    #[test]
    fn neither_one_ahead_nor_one_behind_moves_what_most_reached() {
        assert_eq!(reached::<u8>(&[], 1), None);
        assert_eq!(reached(&[7], 1), Some(7));
        assert_eq!(reached(&[7, 9], 1), Some(7));
        assert_eq!(reached(&[7, 9, 9], 1), Some(9));
        assert_eq!(reached(&[1, 9, 100], 1), Some(9));
        assert_eq!(reached(&[1, 1, 9, 9], 1), Some(1));
    }

    /// Answers as `place+what`, and what is agreed on.
    #[track_caller]
    fn check(answers: &[&str], expected: &str) {
        let answers: Vec<Shown<char>> = answers
            .iter()
            .map(|text| {
                let entry = |part: &str| {
                    let (place, what) = part.split_at(part.len() - 1);
                    (place.parse().unwrap(), what.chars().next().unwrap())
                };
                let entries = text.split_whitespace().map(entry).collect();
                Shown { entries }
            })
            .collect();
        let agreed = agree_on_list(&answers, 1);
        let entries = agreed
            .entries
            .iter()
            .map(|(at, what)| format!("{at}{what}"));
        let wrong = agreed
            .contradictions
            .iter()
            .map(|(who, at)| format!("#{who}@{at}"));
        let all: Vec<String> = entries.chain(wrong).collect();
        assert_eq!(all.join(" "), expected, "{answers:?}");
    }

    #[test]
    fn a_list_grows_by_what_most_have_seen() {
        // One server is believed; nothing is nothing.
        check(&[""], "");
        check(&["1a 2b"], "1a 2b");
        // Two have to agree, and the slower one sets the pace.
        check(&["1a 2b", "1a"], "1a");
        check(&["1a 2b", ""], "");
        // Of three, one may lag behind or be full before the others.
        check(&["1a 2b", "1a 2b", "1a"], "1a 2b");
        check(&["1a 2b", "1a 2b", ""], "1a 2b");
        check(&["1a 2b 3c", "1a 2b", "1a"], "1a 2b");
    }

    #[test]
    fn a_liar_is_outvoted_and_named() {
        // Changed.
        check(&["1a 2x", "1a 2b", "1a 2b"], "1a 2b #0@2");
        // Hidden: named once it shows that it has seen what is later.
        check(&["1a 3c", "1a 2b 3c", "1a 2b 3c"], "1a 2b 3c #0@2");
        check(&["1a", "1a 2b", "1a 2b"], "1a 2b");
        // Invented: it waits until the others have passed the place, and is dropped then.
        check(&["1a 2x", "1a", "1a"], "1a");
        check(&["1a 2x 3c", "1a 3c", "1a 3c"], "1a 3c #0@2");
        // Invented far ahead, so that its page is full: the others go on.
        check(&["1x 2x 3x", "4a 5b", "4a 5b"], "4a 5b #0@1 #0@2 #0@3");
        // Two that contradict each other: nothing is a fact.
        check(&["1a 2b", "1x 2b"], "");
        // Liars that do not agree with each other cannot outvote those who do.
        check(&["1x", "1y", "1a", "1a", "1a"], "1a #0@1 #1@1");
    }
}
