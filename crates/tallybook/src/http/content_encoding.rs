//! How the body of a request is encoded (`Content-Encoding`), and decoding it within bounded
//! memory.

use super::error::ApiError;
use crate::import::ZstdDecoder;
use axum::http::{HeaderMap, StatusCode, header};
use std::io::{self, Read};

/// The largest window that a Zstandard body may ask for, as a power of two: 8 MiB, which RFC 8878
/// recommends that every decoder support.
pub const MOST_ZSTD_WINDOW_LOG: u32 = 23;

/// The encodings that are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentEncoding {
    /// As it is.
    Identity,
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
}

impl ContentEncoding {
    /// The encoding in the headers; 415 for any other, or several.
    pub fn of(headers: &HeaderMap) -> Result<Self, ApiError> {
        let mut values = headers.get_all(header::CONTENT_ENCODING).iter();
        let (value, more) = (values.next(), values.next());
        let value = value.map_or(Ok(""), |value| value.to_str());
        let value = value.unwrap_or("?").trim().to_ascii_lowercase();
        match (value.as_str(), more) {
            ("" | "identity", None) => Ok(Self::Identity),
            ("gzip" | "x-gzip", None) => Ok(Self::Gzip),
            ("zstd", None) => Ok(Self::Zstd),
            _ => Err(ApiError::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "The content encoding must be gzip, zstd or identity.",
            )),
        }
    }

    /// The decoded body. Reads immediately: call it from a thread that may block.
    pub fn decode(self, body: impl Read + Send + 'static) -> io::Result<Box<dyn Read + Send>> {
        Ok(match self {
            Self::Identity => Box::new(body),
            Self::Gzip => Box::new(flate2::read::MultiGzDecoder::new(body)),
            Self::Zstd => Box::new(ZstdDecoder::new(body, MOST_ZSTD_WINDOW_LOG)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn of(values: &[&'static str]) -> Result<ContentEncoding, u16> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::CONTENT_ENCODING, HeaderValue::from_static(value));
        }
        ContentEncoding::of(&headers).map_err(|error| error.status.as_u16())
    }

    #[test]
    fn one_known_encoding_is_accepted() {
        assert_eq!(of(&[]), Ok(ContentEncoding::Identity));
        assert_eq!(of(&["identity"]), Ok(ContentEncoding::Identity));
        assert_eq!(of(&[" GZIP"]), Ok(ContentEncoding::Gzip));
        assert_eq!(of(&["zstd"]), Ok(ContentEncoding::Zstd));
        for values in [&["br"][..], &["gzip, br"], &["gzip", "zstd"], &["deflate"]] {
            assert_eq!(of(values), Err(415), "{values:?}");
        }
    }

    #[test]
    fn a_zstandard_body_with_a_large_window_is_refused() {
        let packed = |window_log: u32| {
            let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).expect("made");
            encoder.window_log(window_log).expect("a window");
            io::Write::write_all(&mut encoder, b"date").expect("written");
            encoder.finish().expect("packed")
        };
        let decoded = |window_log: u32| {
            let body = io::Cursor::new(packed(window_log));
            let mut text = String::new();
            let mut decoder = ContentEncoding::Zstd.decode(body).expect("made");
            decoder.read_to_string(&mut text).map(|_| text)
        };
        assert_eq!(decoded(23).expect("a small window"), "date");
        let message = decoded(24).expect_err("a large window").to_string();
        assert!(
            message.starts_with("its window is larger than 8 MiB"),
            "{message}"
        );
    }
}
