//! The billing file of the demo: everyone named in its reports.

use super::company::{
    BILLING_MANAGER, Company, ENTERPRISE_NAME, ENTERPRISE_SLUG, ORGANIZATIONS, OWNER,
    PERSONAL_REPOSITORIES,
};
use std::fmt::Write;

/// The YAML text. Every name in it is a plain scalar: letters, digits and hyphens.
pub(super) fn file(company: &Company) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let written = write_all(&mut text, company);
    debug_assert!(written.is_ok());
    text
}

fn write_all(out: &mut String, company: &Company) -> std::fmt::Result {
    writeln!(out, "enterprises:")?;
    writeln!(out, "  - slug: {ENTERPRISE_SLUG}")?;
    writeln!(out, "    name: {ENTERPRISE_NAME}")?;
    writeln!(out, "    plan: enterprise")?;
    writeln!(out, "    owners: [{OWNER}]")?;
    writeln!(out, "    billing_managers: [{BILLING_MANAGER}]")?;
    writeln!(out, "    organizations: [{}]", ORGANIZATIONS.join(", "))?;
    writeln!(out, "organizations:")?;
    for (at, login) in ORGANIZATIONS.into_iter().enumerate() {
        let members = company.members[at]
            .iter()
            .map(|user| company.users[*user].login.as_str());
        let members: Vec<&str> = members.filter(|login| *login != OWNER).collect();
        // Besides the enterprise's owner, a member of the organization manages its billing.
        let (managers, members) = members.split_at(members.len().min(1));
        writeln!(out, "  - login: {login}")?;
        writeln!(out, "    owners: [{OWNER}]")?;
        writeln!(out, "    billing_managers: [{}]", managers.join(", "))?;
        writeln!(out, "    members: [{}]", members.join(", "))?;
    }
    writeln!(out, "users:")?;
    for user in &company.users {
        writeln!(
            out,
            "  - login: {0}\n    email: {0}@example.com",
            user.login
        )?;
        if user.login == OWNER {
            writeln!(out, "    plan: pro")?;
        }
    }
    writeln!(out, "repositories:")?;
    for repository in &company.repositories {
        let owner = ORGANIZATIONS[repository.organization];
        let visibility = repository.visibility.as_str();
        writeln!(
            out,
            "  - name: {owner}/{}\n    visibility: {visibility}",
            repository.name
        )?;
    }
    for (name, visibility) in PERSONAL_REPOSITORIES {
        let visibility = visibility.as_str();
        writeln!(
            out,
            "  - name: {OWNER}/{name}\n    visibility: {visibility}"
        )?;
    }
    Ok(())
}
