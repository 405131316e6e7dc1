//! The answers to POST requests with an `Idempotency-Key`: the same request again gets the same answer, and is not executed
//! again.

use super::answer::Answer;
use super::problem::Problem;
use axum::http::StatusCode;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Answers that are stored at one time; a further one replaces the oldest.
const MAX_ANSWERS: usize = 1024;
/// Bytes of all stored answers together.
const MAX_BYTES: usize = 8 << 20;

enum Entry {
    Running { fingerprint: [u8; 32] },
    Done { fingerprint: [u8; 32], answer: Answer },
}

#[derive(Default)]
struct Table {
    entries: BTreeMap<String, Entry>,
    /// Keys of the stored answers, the oldest first.
    order: VecDeque<String>,
    bytes: usize,
}

/// The stored answers of all clients.
#[derive(Clone, Default)]
pub(super) struct Answers(Arc<Mutex<Table>>);

/// The right to execute the request of a key. Dropping it without an answer releases the key.
pub(super) struct Execution {
    answers: Answers,
    key: String,
    fingerprint: [u8; 32],
}

/// Whether a request with a key is executed.
pub(super) enum Begin {
    Execute(Execution),
    Repeat(Answer),
}

impl Answers {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins the request of a key. `fingerprint` identifies the request: client, target and body.
    pub(super) fn begin(&self, key: &str, fingerprint: [u8; 32]) -> Result<Begin, Problem> {
        let mut table = self.table();
        match table.entries.get(key) {
            Some(Entry::Running { fingerprint: known } | Entry::Done { fingerprint: known, .. })
                if *known != fingerprint =>
            {
                let detail = format!("the Idempotency-Key {key:?} was used for another request");
                Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused", detail))
            }
            Some(Entry::Running { .. }) => {
                let detail = format!("the request with the Idempotency-Key {key:?} is being executed");
                Err(Problem::new(StatusCode::CONFLICT, "idempotency_key_in_use", detail))
            }
            Some(Entry::Done { answer, .. }) => Ok(Begin::Repeat(answer.clone())),
            None => {
                table.entries.insert(key.into(), Entry::Running { fingerprint });
                Ok(Begin::Execute(Execution { answers: self.clone(), key: key.into(), fingerprint }))
            }
        }
    }
}

impl Execution {
    /// Stores the answer. That of a server error is not stored, so that the request can be sent again.
    pub(super) fn finish(self, answer: &Answer) {
        if answer.status.is_server_error() {
            return;
        }
        let mut table = self.answers.table();
        table.bytes += answer.body.len();
        table.order.push_back(self.key.clone());
        let done = Entry::Done { fingerprint: self.fingerprint, answer: answer.clone() };
        table.entries.insert(self.key.clone(), done);
        while table.order.len() > MAX_ANSWERS || table.bytes > MAX_BYTES {
            let Some(oldest) = table.order.pop_front() else { break };
            if let Some(Entry::Done { answer, .. }) = table.entries.remove(&oldest) {
                table.bytes -= answer.body.len();
            }
        }
    }
}

impl Drop for Execution {
    fn drop(&mut self) {
        let mut table = self.answers.table();
        if matches!(table.entries.get(&self.key), Some(Entry::Running { .. })) {
            table.entries.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(len: usize) -> Answer {
        Answer {
            status: StatusCode::OK,
            content_type: "application/json",
            body: vec![b'x'; len].into(),
            is_busy: false,
            request_id: None,
            cookie: None,
        }
    }

    fn execute(answers: &Answers, key: &str) -> Execution {
        match answers.begin(key, [1; 32]).unwrap() {
            Begin::Execute(execution) => execution,
            Begin::Repeat(_) => panic!("{key} has an answer"),
        }
    }

    #[test]
    fn memory_is_bounded() {
        let answers = Answers::default();
        (0..2000).for_each(|number| execute(&answers, &format!("k{number}")).finish(&answer(10)));
        let stored = || {
            let table = answers.table();
            (table.entries.len(), table.bytes)
        };
        assert_eq!(stored(), (1024, 10_240));
        assert!(matches!(answers.begin("k1999", [1; 32]).unwrap(), Begin::Repeat(_)));
        execute(&answers, "k0").finish(&answer(5 << 20));
        execute(&answers, "large").finish(&answer(5 << 20));
        assert_eq!(stored(), (1, 5 << 20), "the large one replaces all others");
    }

    #[test]
    fn a_running_or_failed_request() {
        let answers = Answers::default();
        let execution = execute(&answers, "k");
        assert_eq!(answers.begin("k", [1; 32]).err().unwrap().status.as_u16(), 409);
        assert_eq!(answers.begin("k", [2; 32]).err().unwrap().status.as_u16(), 422);
        execution.finish(&Answer { status: StatusCode::SERVICE_UNAVAILABLE, ..answer(1) });
        drop(execute(&answers, "k"));
        execute(&answers, "k").finish(&answer(1));
        assert!(matches!(answers.begin("k", [1; 32]).unwrap(), Begin::Repeat(_)));
    }
}
