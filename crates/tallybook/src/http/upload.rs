//! Uploaded files, from an asynchronous body to a thread that reads them one after the other.
//!
//! Invariant: a few chunks are in memory, however large the upload; an upload that broke off is an
//! error to the reader and never an end of file, so that half a report is never taken for a whole
//! one. Look next: `metering::imports`, which pumps a body while another thread reads.

use axum::extract::Multipart;
use axum::extract::multipart::Field;
use bytes::{Buf, Bytes};
use futures_util::{Stream, StreamExt};
use std::io::{self, Read};
use std::ops::ControlFlow;
use tokio::sync::mpsc;

/// Chunks on their way from the socket to the reader.
const CHUNKS_IN_FLIGHT: usize = 16;

/// What is read of an upload after its reader gave up, so that a client that writes before it
/// reads gets to see the answer.
const DRAINED_BYTES: usize = 64 << 20;

/// The reading end: files in their order.
#[derive(Debug)]
pub struct Upload {
    pieces: mpsc::Receiver<io::Result<Piece>>,
    next: Option<Piece>,
    ended: bool,
}

/// The writing end.
#[derive(Debug)]
pub struct Pump {
    pieces: mpsc::Sender<io::Result<Piece>>,
    /// Whether the reader gave up.
    unwanted: bool,
    /// Bytes that came since.
    drained: usize,
}

#[derive(Debug)]
enum Piece {
    File(String),
    Data(Bytes),
    End,
}

/// Two ends of one upload.
#[must_use]
pub fn channel() -> (Pump, Upload) {
    let (sender, receiver) = mpsc::channel(CHUNKS_IN_FLIGHT);
    let upload = Upload {
        pieces: receiver,
        next: None,
        ended: false,
    };
    let pump = Pump {
        pieces: sender,
        unwanted: false,
        drained: 0,
    };
    (pump, upload)
}

impl Pump {
    /// Hands over a body that is one file.
    pub async fn body<E: std::fmt::Display + Send>(
        mut self,
        name: &str,
        mut body: impl Stream<Item = Result<Bytes, E>> + Send + Unpin,
    ) {
        let mut flow = self.give(Piece::File(name.to_owned())).await;
        while flow.is_continue() {
            flow = match body.next().await {
                Some(Ok(chunk)) => self.give(Piece::Data(chunk)).await,
                Some(Err(error)) => self.fail(error.to_string()).await,
                None => self.end().await,
            };
        }
    }

    /// Hands over every file of a form; its other fields are passed over.
    pub async fn form(mut self, mut form: Multipart) {
        let mut flow = ControlFlow::Continue(());
        while flow.is_continue() {
            flow = match form.next_field().await {
                Ok(Some(field)) => match field.file_name().map(str::to_owned) {
                    Some(name) => self.field(name, field).await,
                    None => ControlFlow::Continue(()),
                },
                Ok(None) => self.end().await,
                Err(error) => self.fail(error.to_string()).await,
            };
        }
    }

    async fn field(&mut self, name: String, mut field: Field<'_>) -> ControlFlow<()> {
        self.give(Piece::File(name)).await?;
        loop {
            match field.chunk().await {
                Ok(Some(chunk)) => self.give(Piece::Data(chunk)).await?,
                Ok(None) => return ControlFlow::Continue(()),
                Err(error) => return self.fail(error.to_string()).await,
            }
        }
    }

    /// Hands a piece to the reader. When that one gave up, what still comes is thrown away, up to
    /// a point.
    async fn give(&mut self, piece: Piece) -> ControlFlow<()> {
        if !self.unwanted {
            let size = if let Piece::Data(chunk) = &piece {
                chunk.len()
            } else {
                0
            };
            self.unwanted = self.pieces.send(Ok(piece)).await.is_err();
            self.drained = size;
        } else if let Piece::Data(chunk) = &piece {
            self.drained += chunk.len();
        }
        if self.unwanted && self.drained > DRAINED_BYTES {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    async fn end(&mut self) -> ControlFlow<()> {
        self.give(Piece::End).await?;
        ControlFlow::Break(())
    }

    async fn fail(&mut self, error: String) -> ControlFlow<()> {
        let error = io::Error::new(io::ErrorKind::UnexpectedEof, error);
        // Where nobody is left to tell, nobody takes half an upload for a whole one.
        self.unwanted |= self.pieces.send(Err(error)).await.is_err();
        ControlFlow::Break(())
    }
}

impl Upload {
    /// The name of the next file, which [`Read`] then gives the bytes of; what was not read of the
    /// one before is passed over. Must be called from a thread that may block.
    pub fn next_file(&mut self) -> io::Result<Option<String>> {
        loop {
            match self.take()? {
                Some(Piece::File(name)) => return Ok(Some(name)),
                Some(Piece::Data(_)) => {}
                Some(Piece::End) | None => return Ok(None),
            }
        }
    }

    fn take(&mut self) -> io::Result<Option<Piece>> {
        if let Some(piece) = self.next.take() {
            return Ok(Some(piece));
        }
        if self.ended {
            return Ok(None);
        }
        let broke_off = || io::Error::new(io::ErrorKind::UnexpectedEof, "the upload broke off");
        let piece = self.pieces.blocking_recv().ok_or_else(broke_off)??;
        self.ended = matches!(piece, Piece::End);
        Ok(Some(piece))
    }
}

impl Read for Upload {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.take()? {
                Some(Piece::Data(chunk)) if chunk.is_empty() => {}
                Some(Piece::Data(mut chunk)) => {
                    let count = chunk.len().min(out.len());
                    chunk.copy_to_slice(&mut out[..count]);
                    self.next = Some(Piece::Data(chunk));
                    return Ok(count);
                }
                // The next file begins: this one ends.
                Some(piece @ Piece::File(_)) => {
                    self.next = Some(piece);
                    return Ok(0);
                }
                Some(Piece::End) | None => return Ok(0),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use axum::extract::{FromRequest, Request};
    use std::convert::Infallible;

    fn read_all(mut upload: Upload) -> io::Result<Vec<(String, String)>> {
        let mut files = Vec::new();
        while let Some(name) = upload.next_file()? {
            let mut text = String::new();
            upload.read_to_string(&mut text)?;
            files.push((name, text));
        }
        Ok(files)
    }

    async fn read(upload: Upload) -> io::Result<Vec<(String, String)>> {
        tokio::task::spawn_blocking(move || read_all(upload))
            .await
            .unwrap()
    }

    fn file(name: &str, text: &str) -> (String, String) {
        (name.to_owned(), text.to_owned())
    }

    #[tokio::test]
    async fn a_body_is_one_file() {
        let (pump, upload) = channel();
        let chunks = ["Date,", "", "Product\n"].map(|text| Ok::<_, Infallible>(Bytes::from(text)));
        let body = futures_util::stream::iter(chunks);
        let ((), files) = tokio::join!(pump.body("body", body), read(upload));
        assert_eq!(files.unwrap(), [file("body", "Date,Product\n")]);
    }

    #[tokio::test]
    async fn a_broken_body_is_no_file() {
        let (pump, upload) = channel();
        let chunks = [Ok(Bytes::from("Date")), Err("connection reset")];
        let body = futures_util::stream::iter(chunks);
        let ((), files) = tokio::join!(pump.body("body", body), read(upload));
        assert_eq!(files.unwrap_err().to_string(), "connection reset");
    }

    #[tokio::test]
    async fn a_request_that_went_away_is_no_file() {
        let (mut pump, upload) = channel();
        assert!(
            pump.give(Piece::File("body".to_owned()))
                .await
                .is_continue()
        );
        assert!(
            pump.give(Piece::Data(Bytes::from("Date")))
                .await
                .is_continue()
        );
        drop(pump);
        assert_eq!(
            read(upload).await.unwrap_err().to_string(),
            "the upload broke off"
        );
    }

    #[tokio::test]
    async fn a_reader_that_gave_up_does_not_stop_the_client() {
        let (pump, upload) = channel();
        drop(upload);
        let chunks = std::iter::repeat_n(Ok::<_, Infallible>(Bytes::from("x")), 1000);
        pump.body("body", futures_util::stream::iter(chunks)).await;
    }

    #[tokio::test]
    async fn forms_have_several_files_and_may_be_skipped() {
        let part = |name: &str, text: &str| {
            format!(
                "--X\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n\
                 {text}\r\n"
            )
        };
        let note = "--X\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhi\r\n";
        let body = format!(
            "{}{note}{}--X--\r\n",
            part("a.csv", "1,2"),
            part("b.csv", "3")
        );
        let request = Request::builder()
            .header("content-type", "multipart/form-data; boundary=X")
            .body(Body::from(body))
            .unwrap();
        let form = Multipart::from_request(request, &()).await.unwrap();
        let (pump, upload) = channel();
        let ((), files) = tokio::join!(pump.form(form), read(upload));
        assert_eq!(files.unwrap(), [file("a.csv", "1,2"), file("b.csv", "3")]);
    }

    #[tokio::test]
    async fn a_torn_form_is_an_error() {
        let torn = "--X\r\nContent-Disposition: form-data; filename=\"a.csv\"\r\n\r\n1,2";
        let request = Request::builder()
            .header("content-type", "multipart/form-data; boundary=X")
            .body(Body::from(torn))
            .unwrap();
        let form = Multipart::from_request(request, &()).await.unwrap();
        let (pump, upload) = channel();
        let ((), files) = tokio::join!(pump.form(form), read(upload));
        assert!(files.is_err());
    }
}
