//! Counts the running tasks, so that shutdown can wait for the last.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use tokio::sync::Notify;

/// The tasks of one `Links`.
#[derive(Default)]
pub(super) struct Tasks {
    running: AtomicU32,
    ended: Notify,
}

/// One running task.
pub(super) struct TaskGuard(Arc<Tasks>);

impl Tasks {
    pub(super) fn enter(self: &Arc<Self>) -> TaskGuard {
        self.running.fetch_add(1, Ordering::SeqCst);
        TaskGuard(self.clone())
    }

    pub(super) async fn all_ended(&self) {
        loop {
            let ended = self.ended.notified();
            if self.running.load(Ordering::SeqCst) == 0 {
                return;
            }
            ended.await;
        }
    }
}

impl Drop for TaskGuard {
    fn drop(&mut self) {
        if self.0.running.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.ended.notify_waiters();
        }
    }
}
