//! What ends by a panic takes the node with it: one that orders blocks and signs nothing any more would look well and be missed.

use crate::problem::Problem;

/// Held by a part of a node while it works.
pub struct Alarm<F: FnMut(Problem)> {
    part: &'static str,
    fail: F,
}

impl<F: FnMut(Problem)> Alarm<F> {
    /// Calls `fail` if the part of the node that holds it panics.
    pub fn new(part: &'static str, fail: F) -> Self {
        Self { part, fail }
    }
}

impl<F: FnMut(Problem)> Drop for Alarm<F> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            (self.fail)(Problem::new(
                "node.panic",
                format!(
                    "the {} of this node came upon a fault of the program",
                    self.part
                ),
                "start the node again, and report this, with the log of this node",
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// What is told of a part of a node that does this.
    fn told(work: impl FnOnce() + Send) -> Option<String> {
        let told = Mutex::new(None);
        std::thread::scope(|scope| {
            let part = scope.spawn(|| {
                let _alarm = Alarm::new("part", |problem: Problem| {
                    *told.lock().unwrap() = Some(problem.code);
                });
                work();
            });
            let _ = part.join();
        });
        told.into_inner().unwrap()
    }

    #[test]
    fn a_panic_is_told_and_an_end_is_not() {
        assert_eq!(told(|| {}), None);
        let code = told(|| std::panic::resume_unwind(Box::new("on purpose")));
        assert_eq!(code.as_deref(), Some("node.panic"));
    }
}
