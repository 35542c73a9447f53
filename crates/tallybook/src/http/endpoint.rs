//! Routes with their metadata: the guard and the documentation page.
//!
//! Invariant: there is no default. A handler gets a route only with its guard and its page
//! ([`guarded`], [`open`]), and an unknown route is guarded like a site administrator's. Errors and
//! headers are right on every answer of a route, even those that no handler made. Look next:
//! [`super::router`], where all of it is stated.

use crate::auth::EndpointFamily;
use axum::Router;
use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{self, MethodFilter, MethodRouter};
use std::collections::HashMap;
use tallybook_core::account::AccountKind;

/// The documentation of everything without a page of its own.
pub const DOCUMENTATION: &str = "https://docs.github.com/rest";

/// Facts of a request's route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpoint {
    /// Its guard.
    pub guard: Guard,
    /// `documentation_url` of its errors.
    pub documentation_url: &'static str,
}

/// Who may access a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// Everyone; no token is read.
    Open,
    /// Everyone; a token's rate-limit standing is reported.
    Standing,
    /// Those who may use endpoints of the family.
    Family(EndpointFamily),
}

impl Guard {
    /// The family; `None` when it is open to all.
    #[must_use]
    pub const fn family(self) -> Option<EndpointFamily> {
        match self {
            Self::Family(family) => Some(family),
            Self::Open | Self::Standing => None,
        }
    }
}

/// A handler, with the metadata of its route.
#[derive(Debug, Clone, Copy)]
pub struct Guarded<H> {
    guard: GuardOf,
    page: &'static str,
    handler: H,
}

#[derive(Debug, Clone, Copy)]
enum GuardOf {
    Any(Guard),
    /// By the kind of account that the path names.
    Kind(fn(AccountKind) -> EndpointFamily),
}

/// A handler for callers who may use endpoints of `family`.
pub const fn guarded<H>(family: EndpointFamily, page: &'static str, handler: H) -> Guarded<H> {
    Guarded {
        guard: GuardOf::Any(Guard::Family(family)),
        page,
        handler,
    }
}

/// A handler at a path that names the kind of account: `family` gives the family for each kind.
pub const fn guarded_by_kind<H>(
    family: fn(AccountKind) -> EndpointFamily,
    page: &'static str,
    handler: H,
) -> Guarded<H> {
    Guarded {
        guard: GuardOf::Kind(family),
        page,
        handler,
    }
}

/// A handler that is open to all.
pub const fn open<H>(page: &'static str, handler: H) -> Guarded<H> {
    Guarded {
        guard: GuardOf::Any(Guard::Open),
        page,
        handler,
    }
}

/// A handler that is open to all and reports a token's standing.
pub const fn open_with_standing<H>(page: &'static str, handler: H) -> Guarded<H> {
    Guarded {
        guard: GuardOf::Any(Guard::Standing),
        page,
        handler,
    }
}

/// The handlers of one path, by method.
#[derive(Debug, Clone)]
pub struct Methods<S> {
    handlers: MethodRouter<S>,
    facts: Vec<Fact>,
}

/// The metadata of a path for one method; without a method, for all methods that have none of their
/// own.
#[derive(Debug, Clone)]
struct Fact {
    method: Option<Method>,
    guard: GuardOf,
    page: &'static str,
}

/// The methods of a path, starting with the handler of `GET`.
pub fn get<S, H, T>(guarded: Guarded<H>) -> Methods<S>
where
    S: Clone + Send + Sync + 'static,
    H: Handler<T, S>,
    T: 'static,
{
    Methods::none().on(Method::GET, guarded)
}

/// The methods of a path, starting with the handler of `POST`.
pub fn post<S, H, T>(guarded: Guarded<H>) -> Methods<S>
where
    S: Clone + Send + Sync + 'static,
    H: Handler<T, S>,
    T: 'static,
{
    Methods::none().on(Method::POST, guarded)
}

/// The methods of a path, starting with the handler of `DELETE`.
pub fn delete<S, H, T>(guarded: Guarded<H>) -> Methods<S>
where
    S: Clone + Send + Sync + 'static,
    H: Handler<T, S>,
    T: 'static,
{
    Methods::none().on(Method::DELETE, guarded)
}

/// One answer to every method.
pub fn any<S, H, T>(guarded: Guarded<H>) -> Methods<S>
where
    S: Clone + Send + Sync + 'static,
    H: Handler<T, S>,
    T: 'static,
{
    Methods {
        handlers: routing::any(guarded.handler),
        facts: vec![Fact {
            method: None,
            guard: guarded.guard,
            page: guarded.page,
        }],
    }
}

impl<S: Clone + Send + Sync + 'static> Methods<S> {
    /// A path without methods.
    #[must_use]
    pub fn none() -> Self {
        Self {
            handlers: MethodRouter::new(),
            facts: Vec::new(),
        }
    }

    /// Adds the handler of `method`.
    ///
    /// # Panics
    ///
    /// When it is not a standard HTTP method.
    #[must_use]
    pub fn on<H, T>(mut self, method: Method, guarded: Guarded<H>) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        let filter = MethodFilter::try_from(method.clone()).expect("a method of HTTP");
        self.handlers = self.handlers.on(filter, guarded.handler);
        self.facts.push(Fact {
            method: Some(method),
            guard: guarded.guard,
            page: guarded.page,
        });
        self
    }
}

/// Routes with their metadata.
#[derive(Debug, Clone)]
pub struct Routes<S> {
    router: Router<S>,
    facts: Facts,
}

impl<S: Clone + Send + Sync + 'static> Default for Routes<S> {
    fn default() -> Self {
        Self {
            router: Router::new(),
            facts: Facts::default(),
        }
    }
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    /// Adds a path.
    #[must_use]
    pub fn route(mut self, path: &str, methods: Methods<S>) -> Self {
        self.router = self.router.route(path, methods.handlers);
        self.facts.add(path.to_owned(), methods.facts);
        self
    }

    /// Adds other routes.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.router = self.router.merge(other.router);
        for (path, facts) in other.facts.0 {
            self.facts.add(path, facts);
        }
        self
    }

    /// Adds other routes below `base`.
    #[must_use]
    pub fn nest(mut self, base: &str, other: Self) -> Self {
        self.router = self.router.nest(base, other.router);
        for (path, facts) in other.facts.0 {
            self.facts.add(format!("{base}{path}"), facts);
        }
        self
    }

    /// Applies a layer to the routes so far, without changing the set of routes.
    #[must_use]
    pub fn layered(mut self, layer: impl FnOnce(Router<S>) -> Router<S>) -> Self {
        self.router = layer(self.router);
        self
    }

    /// The router, and the metadata of its routes.
    pub fn into_parts(self) -> (Router<S>, Facts) {
        (self.router, self.facts)
    }
}

/// The metadata of every route, by its pattern.
#[derive(Debug, Clone, Default)]
pub struct Facts(HashMap<String, Vec<Fact>>);

impl Facts {
    fn add(&mut self, path: String, facts: Vec<Fact>) {
        self.0.entry(path).or_default().extend(facts);
    }

    /// The facts of the route with this pattern, which `path` matches; no pattern is no route.
    #[must_use]
    pub fn endpoint(&self, method: &Method, pattern: Option<&str>, path: &str) -> Endpoint {
        let Some(pattern) = pattern else {
            return Endpoint {
                guard: Guard::Open,
                documentation_url: DOCUMENTATION,
            };
        };
        let of_path = self.0.get(pattern).map_or(&[][..], Vec::as_slice);
        // A method without metadata of its own uses that of the path's first method.
        let own = of_path
            .iter()
            .find(|fact| fact.method.as_ref().is_none_or(|own| own == method));
        let guard = own.or(of_path.first()).map(|fact| fact.guard);
        let pages = own.into_iter().chain(of_path).map(|fact| fact.page);
        let page = pages.into_iter().find(|page| *page != DOCUMENTATION);
        let guard = match guard {
            Some(GuardOf::Any(guard)) => guard,
            Some(GuardOf::Kind(family)) => {
                Guard::Family(kind_in(pattern, path).map_or(EndpointFamily::Site, family))
            }
            None => Guard::Family(EndpointFamily::Site),
        };
        Endpoint {
            guard,
            documentation_url: page.unwrap_or(DOCUMENTATION),
        }
    }

    /// Every route, sorted: its pattern, and its methods, or none if it answers all of them.
    #[must_use]
    pub fn all(&self) -> Vec<(&str, Vec<&Method>)> {
        let mut all: Vec<(&str, Vec<&Method>)> = Vec::new();
        for (path, facts) in &self.0 {
            let methods = facts.iter().filter_map(|fact| fact.method.as_ref());
            all.push((path, methods.collect()));
        }
        all.sort_unstable_by_key(|(path, _)| *path);
        all
    }
}

/// The kind of account that a path names where its pattern has `{kind}`.
fn kind_in(pattern: &str, path: &str) -> Option<AccountKind> {
    let (before, _) = pattern.split_once("{kind}")?;
    kind_of(path.strip_prefix(before)?.split('/').next()?)
}

/// The kind of account of a path's `{kind}`.
#[must_use]
pub fn kind_of(plural: &str) -> Option<AccountKind> {
    match plural {
        "enterprises" => Some(AccountKind::Enterprise),
        "organizations" => Some(AccountKind::Organization),
        "users" => Some(AccountKind::User),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
