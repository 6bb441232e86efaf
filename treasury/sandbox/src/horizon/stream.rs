//! Collections as streams of server-sent events: what is there behind the cursor, then whatever comes.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::http::{HeaderMap, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};

use super::Sandbox;
use super::page::{Entries, pick};

/// How many events are fetched at once.
const BATCH: usize = 200;

/// Whether a client asks for a stream.
pub fn is_wanted(headers: &HeaderMap) -> bool {
    let accepted = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok());
    accepted.is_some_and(|accepted| accepted.contains("text/event-stream"))
}

struct Position {
    sandbox: Sandbox,
    cursor: String,
    waiting: VecDeque<Event>,
}

/// A stream of what `entries` gives, behind `cursor`; with none, from the first entry on.
pub fn stream(
    sandbox: Sandbox,
    cursor: Option<String>,
    entries: impl Fn(&Sandbox) -> Entries + Clone + Send + Sync + 'static,
) -> Response {
    let last = |sandbox: &Sandbox| entries(sandbox).pop().map(|(place, _)| place);
    // `now` is the last entry of this moment, so that nothing is missed between two looks.
    let cursor = match cursor.as_deref() {
        Some("now") => last(&sandbox).unwrap_or_default(),
        other => other.unwrap_or_default().to_owned(),
    };
    let hello = Event::default()
        .event("open")
        .retry(Duration::from_secs(1))
        .data("\"hello\"");
    let start = Position {
        sandbox,
        cursor,
        waiting: VecDeque::from([hello]),
    };
    let events = futures_util::stream::unfold(start, move |mut position| {
        let entries = entries.clone();
        async move {
            let mut closed = position.sandbox.closed.subscribe();
            loop {
                if let Some(event) = position.waiting.pop_front() {
                    return Some((Ok::<_, Infallible>(event), position));
                }
                // Seen before the look, so that a ledger that closes meanwhile wakes us.
                closed.borrow_and_update();
                let all = entries(&position.sandbox);
                let found = pick(all, Some(&position.cursor), false, BATCH);
                if found.is_empty() {
                    closed.changed().await.ok()?;
                    continue;
                }
                for (place, record) in found {
                    let event = Event::default().id(place.clone()).data(record.to_string());
                    position.waiting.push_back(event);
                    position.cursor = place;
                }
            }
        }
    });
    Sse::new(events)
        .keep_alive(KeepAlive::default())
        .into_response()
}
