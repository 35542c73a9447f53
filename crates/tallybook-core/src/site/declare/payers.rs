//! Who pays for an organization, according to declarations and reports.
//!
//! Invariant: only a declaration decides who owns an organization. What reports say holds until
//! there is one, and stays on record as the earlier state.

use super::{DeclareError, Draft};
use crate::account::AccountKind;
use crate::declaration::OrganizationDeclaration;
use crate::name::Name;
use crate::site::entry::{OrganizationFact, SiteEntry};

impl Draft<'_> {
    pub(super) fn check_not_placed(&self, login: &Name) -> Result<(), DeclareError> {
        match self.placed.get(login) {
            None => Ok(()),
            Some(enterprise) => Err(DeclareError::StandaloneMember {
                organization: login.clone(),
                enterprise: enterprise.clone(),
            }),
        }
    }

    /// The enterprise whose import introduced an organization: it pays unless the declaration says
    /// otherwise, for instance by a plan or discounts of the organization's own.
    pub(super) fn introduced_into(&self, declared: &OrganizationDeclaration) -> Option<Name> {
        let has_terms = declared.plan.is_some() || declared.discounts.is_some();
        let payer = self.site.directory.payer(&declared.login)?;
        (payer.kind == AccountKind::Enterprise && !has_terms).then_some(payer.name)
    }

    /// Records who paid for an organization before it was declared, ahead of the new payer: usage
    /// billed to the former account stays there. Returns the former payer, for display.
    pub(super) fn put_former_payer(&mut self, fact: &OrganizationFact) -> Option<String> {
        if self.known_organization(&fact.login).is_some() {
            return None;
        }
        let directory = &self.site.directory;
        let payer = directory.payer(&fact.login)?;
        let enterprise = (payer.kind == AccountKind::Enterprise).then_some(payer.name);
        if enterprise == fact.enterprise {
            return None;
        }
        let former = OrganizationFact {
            enterprise,
            ..fact.clone()
        };
        let import = directory.importer(&fact.login).map(|(_, import)| import);
        let why = match import {
            Some(import) => format!("not declared, named by import {import}"),
            None => "not declared".to_owned(),
        };
        let shown = format!("{} ({why})", shown_payer(&former));
        self.planned.entries.push(SiteEntry::Organization(former));
        Some(shown)
    }
}

/// Who pays, for display: an enterprise's slug, or `itself`.
pub(super) fn shown_payer(fact: &OrganizationFact) -> String {
    let enterprise = fact.enterprise.as_ref();
    enterprise.map_or("itself".to_owned(), |name| name.as_str().to_owned())
}
