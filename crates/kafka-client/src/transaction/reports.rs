//! Delivery reports of one transaction.

use std::{
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rdkafka::{
    ClientContext, Message as _, config::RDKafkaLogLevel, error::KafkaError as ClientError, message::DeliveryResult,
    producer::ProducerContext,
};

use super::producer::{TransactionError, refusal};
use crate::logging;

/// Counts what is on its way, and keeps the offsets of what has arrived.
#[derive(Default)]
pub(super) struct Reports {
    board: Mutex<Board>,
    complete: Condvar,
    /// Whether the client lost a connection, or met another error that it handles itself.
    pub(super) troubled: AtomicBool,
}

#[derive(Default)]
struct Board {
    /// Told apart because reports of an aborted transaction may still come.
    transaction: u32,
    /// By order of sending; -1: on its way.
    offsets: Vec<i64>,
    waiting: usize,
    failed: Option<TransactionError>,
}

impl Reports {
    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets everything of earlier transactions.
    pub(super) fn begin(&self) {
        let mut board = self.board();
        let transaction = board.transaction.wrapping_add(1);
        *board = Board { transaction, ..Board::default() };
    }

    /// A ticket for the record that is sent next.
    pub(super) fn ticket(&self) -> usize {
        let mut board = self.board();
        board.offsets.push(-1);
        board.waiting += 1;
        let index = board.offsets.len() - 1;
        (usize::try_from(board.transaction).unwrap_or(0) << 32) | index
    }

    /// A ticket's place among those of its transaction.
    pub(super) fn place(ticket: usize) -> usize {
        ticket & 0xffff_ffff
    }

    /// Whether [`Self::wait`] would not wait.
    pub(super) fn is_complete(&self) -> bool {
        let board = self.board();
        board.waiting == 0 || board.failed.is_some()
    }

    /// The first failure in this transaction.
    pub(super) fn failure(&self) -> Option<TransactionError> {
        self.board().failed.clone()
    }

    /// Waits until everything sent has arrived; its offsets by order of sending. Calls `meanwhile` every second.
    pub(super) fn wait(&self, meanwhile: impl Fn()) -> Result<Vec<i64>, TransactionError> {
        let mut board = self.board();
        while board.waiting > 0 && board.failed.is_none() {
            (board, _) =
                self.complete.wait_timeout(board, Duration::from_secs(1)).unwrap_or_else(PoisonError::into_inner);
            meanwhile();
        }
        match board.failed.take() {
            Some(error) => Err(error),
            None => Ok(std::mem::take(&mut board.offsets)),
        }
    }
}

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        logging::line(level, facility, text);
    }

    fn error(&self, error: ClientError, reason: &str) {
        self.troubled.store(true, Ordering::Release);
        logging::error(&error, reason);
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = usize;

    fn delivery(&self, report: &DeliveryResult<'_>, ticket: usize) {
        let mut board = self.board();
        if ticket >> 32 != usize::try_from(board.transaction).unwrap_or(0) {
            return;
        }
        match report {
            Ok(message) => {
                if let Some(offset) = board.offsets.get_mut(Self::place(ticket)) {
                    *offset = message.offset();
                }
            }
            Err((error, message)) => {
                let bytes = message.payload().map_or(0, <[u8]>::len);
                board.failed.get_or_insert_with(|| refusal(error, message.topic(), message.partition(), bytes));
            }
        }
        board.waiting = board.waiting.saturating_sub(1);
        if board.waiting == 0 || board.failed.is_some() {
            self.complete.notify_all();
        }
    }
}
