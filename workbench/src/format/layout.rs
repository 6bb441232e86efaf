//! From a tree of words, spaces and places where a line may end to lines of at most [`WIDTH`] columns.

/// The columns that a line has.
pub const WIDTH: usize = 120;
const INDENT: usize = 4;

/// A piece of a file.
#[derive(Clone, Debug)]
pub enum Doc {
    Text(String),
    /// A comment; its length does not count. A line ends behind it if it is a line of its own or the last of one.
    Comment {
        text: String,
        ends_line: bool,
    },
    /// A space, unless a line begins here.
    Space,
    /// A space, or the end of a line where the group is broken.
    Line,
    /// Nothing, or the end of a line where the group is broken.
    Soft,
    /// The end of a line.
    Hard,
    /// An empty line.
    Blank,
    /// What is there only where the group is broken.
    Broken(&'static str),
    Concat(Vec<Doc>),
    Indent(Box<Doc>),
    /// On one line, if it fits and nothing in it ends a line.
    Group(Box<Doc>, bool),
}

impl Doc {
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub fn indent(parts: Vec<Doc>) -> Self {
        Self::Indent(Box::new(Self::Concat(parts)))
    }

    /// A group; it is broken if something in it ends a line.
    pub fn group(parts: Vec<Doc>) -> Self {
        let doc = Self::Concat(parts);
        let broken = doc.ends_line();
        Self::Group(Box::new(doc), broken)
    }

    /// Whether something in it ends a line whatever its width.
    pub fn ends_line(&self) -> bool {
        match self {
            Self::Hard | Self::Blank => true,
            Self::Comment { ends_line, .. } => *ends_line,
            Self::Concat(parts) => parts.iter().any(Self::ends_line),
            Self::Indent(inner) => inner.ends_line(),
            Self::Group(_, broken) => *broken,
            _ => false,
        }
    }

    /// The columns that it takes on one line, as far as `most`.
    pub fn width(&self, most: usize) -> usize {
        match self {
            Self::Text(text) => text.chars().count(),
            Self::Space | Self::Line => 1,
            Self::Concat(parts) => {
                let mut width = 0;
                for part in parts {
                    if width > most {
                        break;
                    }
                    width += part.width(most);
                }
                width
            }
            Self::Indent(inner) | Self::Group(inner, _) => inner.width(most),
            _ => 0,
        }
    }
}

/// What is still to be printed: how far indented, whether broken, and what.
type Task<'a> = (usize, bool, &'a Doc);

/// Prints a file.
pub fn print(doc: &Doc) -> String {
    let mut printer = Printer {
        out: String::new(),
        column: 0,
        space: false,
        starts_line: true,
        ends_line: false,
    };
    let mut tasks: Vec<Task> = vec![(0, true, doc)];
    while let Some((indent, broken, doc)) = tasks.pop() {
        match doc {
            Doc::Text(text) => printer.write(text, indent, true),
            Doc::Comment { text, ends_line } => {
                printer.write(text, indent, false);
                printer.ends_line = *ends_line;
            }
            Doc::Space => printer.space = true,
            Doc::Line if broken => printer.end_line(),
            Doc::Line => printer.space = true,
            Doc::Soft if broken => printer.end_line(),
            Doc::Hard => printer.end_line(),
            Doc::Blank => printer.blank(),
            Doc::Broken(text) if broken => printer.write(text, indent, true),
            Doc::Soft | Doc::Broken(_) => {}
            Doc::Concat(parts) => {
                tasks.extend(parts.iter().rev().map(|part| (indent, broken, part)))
            }
            Doc::Indent(inner) => tasks.push((indent + INDENT, broken, inner)),
            Doc::Group(inner, forced) => {
                let broken = *forced || !printer.fits(indent, inner, &tasks);
                tasks.push((indent, broken, inner));
            }
        }
    }
    printer.end_line();
    printer.out
}

struct Printer {
    out: String,
    column: usize,
    /// A space is due before the next word.
    space: bool,
    starts_line: bool,
    /// A comment stands here, so a line must end before the next word.
    ends_line: bool,
}

impl Printer {
    fn write(&mut self, text: &str, indent: usize, counts: bool) {
        if self.ends_line {
            self.end_line();
        }
        if self.starts_line {
            self.out.extend(std::iter::repeat_n(' ', indent));
            self.column = indent;
        } else if self.space {
            self.out.push(' ');
            self.column += 1;
        }
        (self.space, self.starts_line) = (false, false);
        self.out.push_str(text);
        match text.rsplit_once('\n') {
            Some((_, last)) => self.column = last.chars().count(),
            None if counts => self.column += text.chars().count(),
            None => {}
        }
    }

    /// Ends the line, if there is anything on it.
    fn end_line(&mut self) {
        if !self.starts_line {
            self.out.push('\n');
        }
        (self.space, self.starts_line, self.ends_line, self.column) = (false, true, false, 0);
    }

    fn blank(&mut self) {
        self.end_line();
        if !self.out.is_empty() && !self.out.ends_with("\n\n") {
            self.out.push('\n');
        }
    }

    /// Whether a group fits on the line, with what follows it up to the next place where a line may end.
    fn fits(&self, indent: usize, group: &Doc, rest: &[Task]) -> bool {
        let mut column = if self.starts_line || self.ends_line {
            indent
        } else {
            self.column + usize::from(self.space)
        };
        let mut space = false;
        let mut rest = rest.iter().rev();
        let mut tasks = vec![(false, group)];
        while column <= WIDTH {
            let (broken, doc) = match tasks.pop() {
                Some(task) => task,
                None => match rest.next() {
                    Some((_, broken, doc)) => (*broken, *doc),
                    None => return true,
                },
            };
            match doc {
                Doc::Text(text) => {
                    column += usize::from(std::mem::take(&mut space));
                    match text.split_once('\n') {
                        Some((first, _)) => return column + first.chars().count() <= WIDTH,
                        None => column += text.chars().count(),
                    }
                }
                Doc::Line | Doc::Soft if broken => return true,
                Doc::Hard | Doc::Blank => return true,
                Doc::Space | Doc::Line => space = true,
                Doc::Broken(text) if broken => column += text.len(),
                Doc::Soft
                | Doc::Broken(_)
                | Doc::Comment {
                    ends_line: false, ..
                } => {}
                Doc::Comment { .. } => return true,
                Doc::Concat(parts) => tasks.extend(parts.iter().rev().map(|part| (broken, part))),
                Doc::Indent(inner) => tasks.push((broken, inner)),
                Doc::Group(inner, forced) => tasks.push((broken || *forced, inner)),
            }
        }
        false
    }
}
