//! Query parameters, read strictly.
//!
//! Invariant: a parameter that an endpoint supports either has a sensible value, or the answer is
//! 400 and names it. Repeated, empty, signed, spaced and out-of-range values are all refused: an
//! empty filter (`?user=`) is most likely a script's unset variable, and answering it with
//! everyone's usage would be wrong. Unknown parameters are ignored, as at GitHub.

use super::error::ApiError;
use axum::extract::Query;
use axum::http::Uri;
use std::borrow::Cow;

/// A parameter with a value that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Invalid parameter '{name}': {reason}.")]
pub struct BadParameter {
    /// Its name.
    pub name: &'static str,
    /// What is wrong with its value, without the value.
    pub reason: Cow<'static, str>,
}

impl BadParameter {
    /// Names the parameter and the reason.
    pub fn new(name: &'static str, reason: impl Into<Cow<'static, str>>) -> Self {
        let reason = reason.into();
        Self { name, reason }
    }
}

impl From<BadParameter> for ApiError {
    fn from(bad: BadParameter) -> Self {
        Self::bad_request(bad.to_string())
    }
}

/// A request's decoded parameters, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Params {
    pairs: Vec<(String, String)>,
}

impl Params {
    /// Reads the query of an address.
    pub fn read(uri: &Uri) -> Result<Self, ApiError> {
        let query = Query::<Vec<(String, String)>>::try_from_uri(uri);
        let Query(pairs) =
            query.map_err(|_| ApiError::bad_request("The query string cannot be read."))?;
        Ok(Self { pairs })
    }

    /// The text of a parameter; `None` when it was not given.
    pub fn text(&self, name: &'static str) -> Result<Option<&str>, BadParameter> {
        let mut values = self.pairs.iter().filter(|(key, _)| key == name);
        let Some((_, value)) = values.next() else {
            return Ok(None);
        };
        if values.next().is_some() {
            return Err(BadParameter::new(name, "it is given more than once"));
        }
        if value.is_empty() {
            return Err(BadParameter::new(name, "it is empty"));
        }
        Ok(Some(value))
    }

    /// A whole number between `least` and `greatest`, written in digits only and in no more of
    /// them than `greatest` has.
    pub fn integer(
        &self,
        name: &'static str,
        least: i16,
        greatest: i16,
    ) -> Result<Option<i16>, BadParameter> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let short = text.len() <= greatest.to_string().len();
        let value = text.parse().ok().filter(|_| digits && short);
        match value.filter(|value| (least..=greatest).contains(value)) {
            Some(value) => Ok(Some(value)),
            None => {
                let reason = format!("it must be an integer between {least} and {greatest}");
                Err(BadParameter::new(name, reason))
            }
        }
    }

    /// `true` or `false`; false when it was not given.
    pub fn flag(&self, name: &'static str) -> Result<bool, BadParameter> {
        match self.text(name)? {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(BadParameter::new(name, "it must be true or false")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(query: &str) -> Params {
        Params::read(&format!("/x?{query}").parse().unwrap()).unwrap()
    }

    #[test]
    fn texts_are_decoded_and_absent_ones_are_none() {
        let params = params("repository=octo-org%2Fapi&product=Git+LFS&other=1&other=2");
        assert_eq!(params.text("repository"), Ok(Some("octo-org/api")));
        assert_eq!(params.text("product"), Ok(Some("Git LFS")));
        assert_eq!(params.text("sku"), Ok(None));
        let none = Params::read(&"/x".parse().unwrap()).unwrap();
        assert_eq!(none.text("sku"), Ok(None));
    }

    #[test]
    fn repeated_and_empty_parameters_are_named() {
        let message = |query: &str| params(query).text("month").unwrap_err().to_string();
        let twice = "Invalid parameter 'month': it is given more than once.";
        assert_eq!(message("month=1&month=1"), twice);
        assert_eq!(message("month="), "Invalid parameter 'month': it is empty.");
    }

    #[test]
    fn only_plain_digits_in_range_are_integers() {
        let month = |value: &str| params(&format!("month={value}")).integer("month", 1, 12);
        assert_eq!(month("1"), Ok(Some(1)));
        assert_eq!(month("01"), Ok(Some(1)));
        assert_eq!(month("12"), Ok(Some(12)));
        for bad in [
            "0", "13", "-1", "%2B1", "1.0", "1e0", "%201", "1%20", "abc", "001", "99999",
        ] {
            let message = month(bad).unwrap_err().to_string();
            let expected = "Invalid parameter 'month': it must be an integer between 1 and 12.";
            assert_eq!(message, expected, "{bad}");
        }
        assert!(month("%EF%BC%91").is_err(), "full-width digits");
    }

    #[test]
    fn flags_are_words() {
        assert_eq!(params("").flag("dry_run"), Ok(false));
        assert_eq!(params("dry_run=true").flag("dry_run"), Ok(true));
        assert!(params("dry_run=1").flag("dry_run").is_err());
    }
}
