//! A small policy that works, for somebody to begin with.

/// The files of a new policy: their names and texts.
pub fn files(name: &str) -> [(String, String); 3] {
    let fill = |text: &str| text.replace("NAME", name);
    [
        (
            "policy.3script".to_owned(),
            fill(include_str!("template/policy.3script")),
        ),
        (
            format!("{name}.test.3script"),
            fill(include_str!("template/test.3script")),
        ),
        (
            "README.md".to_owned(),
            fill(include_str!("template/README.md")),
        ),
    ]
}
