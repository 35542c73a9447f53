//! Pages of lists: `page` and `per_page`, and the `Link` header that leads from one to the next.
//!
//! Invariant: links use the public address, never the host that the client sent.

use super::error::ApiError;
use super::params::{BadParameter, Params};
use axum::Json;
use axum::http::{HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::ops::Range;

/// The most items on a page.
pub const MOST_PER_PAGE: i16 = 100;

const DEFAULT_PER_PAGE: usize = 30;

/// A requested page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// From 1.
    pub number: usize,
    /// 1 to 100.
    pub size: usize,
}

impl Page {
    /// The first page of a list that is never returned as a whole.
    pub const FIRST: Self = Self {
        number: 1,
        size: DEFAULT_PER_PAGE,
    };

    /// The page that the parameters request; `None` without paging parameters, which means
    /// everything.
    pub fn read(params: &Params) -> Result<Option<Self>, BadParameter> {
        let number = params.integer("page", 1, i16::MAX)?;
        let size = params.integer("per_page", 1, MOST_PER_PAGE)?;
        if number.is_none() && size.is_none() {
            return Ok(None);
        }
        let whole = |value: i16| usize::try_from(value).unwrap_or(1);
        Ok(Some(Self {
            number: whole(number.unwrap_or(1)),
            size: size.map_or(DEFAULT_PER_PAGE, whole),
        }))
    }

    /// Whether the parameters request a page after the first of an answer that has only one.
    /// Clients that page until a page is not full then get an empty answer, and stop.
    pub fn is_past_the_only(params: &Params) -> Result<bool, BadParameter> {
        let number = params.integer("page", 1, i16::MAX)?;
        Ok(number.is_some_and(|number| number > 1))
    }

    /// The page's range of indexes in a list of `count`; empty beyond its end.
    #[must_use]
    pub fn range(self, count: usize) -> Range<usize> {
        let start = ((self.number - 1) * self.size).min(count);
        start..(start + self.size).min(count)
    }

    /// Whether a list of `count` continues after this page.
    #[must_use]
    pub fn has_next(self, count: usize) -> bool {
        self.number * self.size < count
    }

    /// The `Link` header for a list of `count`; `None` when there is no other page.
    #[must_use]
    pub fn links(self, count: usize, public_url: &str, uri: &Uri) -> Option<String> {
        let last = count.div_ceil(self.size).max(1);
        let mut links = Vec::new();
        let mut link = |number: usize, relation: &str| {
            let page = Self { number, ..self };
            links.push(format!(
                "<{public_url}{}>; rel=\"{relation}\"",
                page.address(uri)
            ));
        };
        if self.number > 1 {
            link((self.number - 1).min(last), "prev");
        }
        if self.has_next(count) {
            link(self.number + 1, "next");
            link(last, "last");
        }
        if self.number > 1 {
            link(1, "first");
        }
        (!links.is_empty()).then(|| links.join(", "))
    }

    /// The request's address with this page instead of the requested one.
    fn address(self, uri: &Uri) -> String {
        let (size, number) = (self.size.to_string(), self.number.to_string());
        with_parameters(uri, &[("per_page", &size), ("page", &number)])
    }
}

/// The request's address with these parameter values instead of the requested ones.
pub fn with_parameters(uri: &Uri, parameters: &[(&str, &str)]) -> String {
    let others = uri.query().unwrap_or_default().split('&');
    let others = others.filter(|pair| {
        let name = pair.split('=').next().unwrap_or_default();
        !name.is_empty() && parameters.iter().all(|(replaced, _)| *replaced != name)
    });
    let mut pairs: Vec<String> = others.map(str::to_owned).collect();
    pairs.extend(
        parameters
            .iter()
            .map(|(name, value)| format!("{name}={value}")),
    );
    format!("{}?{}", uri.path(), pairs.join("&"))
}

/// A page of a list as JSON, with links to the others.
pub fn respond<T: Serialize>(
    body: &T,
    page: Option<Page>,
    count: usize,
    public_url: &str,
    uri: &Uri,
) -> Result<Response, ApiError> {
    let mut response = Json(body).into_response();
    if let Some(links) = page.and_then(|page| page.links(count, public_url, uri)) {
        let links = HeaderValue::from_str(&links).map_err(ApiError::internal)?;
        response.headers_mut().insert(header::LINK, links);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(query: &str) -> Result<Option<Page>, BadParameter> {
        Page::read(&Params::read(&format!("/x?{query}").parse().unwrap()).unwrap())
    }

    #[test]
    fn pages_have_github_s_defaults_and_bounds() {
        assert_eq!(page(""), Ok(None));
        assert_eq!(
            page("page=2"),
            Ok(Some(Page {
                number: 2,
                size: 30
            }))
        );
        assert_eq!(
            page("per_page=100"),
            Ok(Some(Page {
                number: 1,
                size: 100
            }))
        );
        assert!(page("per_page=101").is_err());
        assert!(page("page=0").is_err());
    }

    #[test]
    fn what_has_one_page_is_empty_from_the_second_on() {
        let past = |query: &str| {
            Page::is_past_the_only(&Params::read(&format!("/x?{query}").parse().unwrap()).unwrap())
        };
        for query in ["", "page=1", "per_page=1", "per_page=1000&page=1"] {
            assert_eq!(past(query), Ok(false), "{query}");
        }
        assert_eq!(past("page=2"), Ok(true));
        assert!(past("page=0").is_err());
        assert!(past("page=x").is_err());
    }

    #[test]
    fn ranges_stay_inside_the_list() {
        let page = Page {
            number: 2,
            size: 10,
        };
        assert_eq!(page.range(25), 10..20);
        assert_eq!(page.range(12), 10..12);
        assert_eq!(page.range(3), 3..3);
        assert!(page.has_next(21) && !page.has_next(20));
    }

    #[test]
    fn links_keep_the_other_parameters() {
        let uri: Uri = "/things?state=active&page=2&per_page=10".parse().unwrap();
        let links = Page {
            number: 2,
            size: 10,
        }
        .links(35, "https://bill.example", &uri)
        .unwrap();
        let link = |page: u32, relation: &str| {
            format!(
                "<https://bill.example/things?state=active&per_page=10&page={page}>; \
                 rel=\"{relation}\""
            )
        };
        let expected = [
            link(1, "prev"),
            link(3, "next"),
            link(4, "last"),
            link(1, "first"),
        ];
        assert_eq!(links, expected.join(", "));
        assert_eq!(
            Page {
                number: 1,
                size: 10
            }
            .links(10, "", &uri),
            None
        );
    }
}
