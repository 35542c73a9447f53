//! The demo's enterprise: organizations, repositories, people and cost centers.
//!
//! Invariant: a function of the seed alone, independent of the days of the data.

use super::random::{Random, Weights};
use tallybook_core::account::Visibility;

/// The enterprise's slug.
pub const ENTERPRISE_SLUG: &str = "octo-ent";
/// The enterprise's name.
pub const ENTERPRISE_NAME: &str = "Octo Enterprise";
/// Owns the enterprise and has a personal plan.
pub const OWNER: &str = "monalisa";
/// Manages the enterprise's billing.
pub const BILLING_MANAGER: &str = "hubot";

pub(super) const ORGANIZATIONS: [&str; 6] = [
    "octo-org",
    "octo-data",
    "octo-mobile",
    "octo-platform",
    "octo-labs",
    "octo-security",
];
pub(super) const COST_CENTERS: [&str; 8] = [
    "Platform",
    "Data Science",
    "Mobile",
    "Payments",
    "Security",
    "Research",
    "Developer Experience",
    "Customer Tools",
];
/// Repositories that [`OWNER`] owns personally.
pub(super) const PERSONAL_REPOSITORIES: [(&str, Visibility); 3] = [
    ("dotfiles", Visibility::Public),
    ("hello-world", Visibility::Public),
    ("notes", Visibility::Private),
];

const REPOSITORIES: usize = 300;
const USERS: usize = 250;
const SUBJECTS: [&str; 26] = [
    "accounts",
    "analytics",
    "auth",
    "billing",
    "catalog",
    "checkout",
    "crawler",
    "design-system",
    "events",
    "features",
    "gateway",
    "identity",
    "inventory",
    "ledger",
    "mailer",
    "maps",
    "media",
    "metrics",
    "notifications",
    "orders",
    "payments",
    "pricing",
    "profile",
    "recommender",
    "search",
    "shipping",
];
const FORMS: [&str; 14] = [
    "api", "app", "cli", "client", "core", "docs", "infra", "ios", "jobs", "models", "service",
    "tests", "web", "worker",
];
const FIRST_NAMES: [&str; 26] = [
    "ada", "alan", "anita", "barbara", "chen", "dana", "edsger", "emil", "fatima", "grace", "hana",
    "ines", "jorge", "kavya", "ken", "leslie", "linus", "margaret", "nadia", "omar", "pavel",
    "radia", "sofia", "tomas", "yuki", "zoe",
];
const LAST_NAMES: [&str; 20] = [
    "almeida", "berg", "costa", "dubois", "eriksen", "fischer", "garcia", "hansen", "ito",
    "jansen", "kim", "lopez", "moreau", "novak", "okafor", "patel", "rossi", "singh", "tanaka",
    "weber",
];
const WORKFLOWS: [&str; 7] = [
    ".github/workflows/ci.yml",
    ".github/workflows/release.yml",
    ".github/workflows/nightly.yml",
    ".github/workflows/deploy.yml",
    ".github/workflows/stale.yml",
    ".github/workflows/benchmarks.yml",
    "dynamic/github-code-scanning/codeql",
];

/// The enterprise with its people and repositories.
pub(super) struct Company {
    pub(super) repositories: Vec<Repository>,
    pub(super) users: Vec<User>,
    /// How busy each repository is.
    pub(super) activity: Weights,
    /// Users of each organization.
    pub(super) members: [Vec<usize>; ORGANIZATIONS.len()],
}

pub(super) struct Repository {
    pub(super) organization: usize,
    pub(super) name: String,
    pub(super) visibility: Visibility,
    /// SKUs of its runners, the usual one first.
    pub(super) runners: Vec<&'static str>,
    pub(super) workflows: Vec<&'static str>,
    pub(super) cost_center: Option<usize>,
    /// Megabytes of artifacts when the data begins.
    pub(super) artifacts_megabytes: u64,
}

pub(super) struct User {
    pub(super) login: String,
    pub(super) organization: usize,
    /// The SKU of the Copilot seat, and the month (from 0) of the data in which it was assigned.
    pub(super) seat: Option<(&'static str, i32)>,
    /// How heavily they use Copilot, 1 to 64.
    pub(super) appetite: u64,
    pub(super) cost_center: Option<usize>,
}

impl Company {
    pub(super) fn new(seed: u64) -> Self {
        let repositories = repositories(&mut Random::new(&[seed, 1]));
        let users = users(&mut Random::new(&[seed, 2]));
        // Zipf: the busiest is a hundred times as busy as the hundredth.
        let activity = (0..repositories.len() as u64)
            .map(|rank| 100_000 / (rank + 4))
            .collect();
        let members = std::array::from_fn(|organization| {
            let belongs = |at: &usize| users[*at].organization == organization;
            (0..users.len()).filter(belongs).collect()
        });
        Self {
            repositories,
            users,
            activity,
            members,
        }
    }

    /// GitHub's order: a repository's cost center, then a user's, then the organization's.
    pub(super) fn cost_center(
        &self,
        organization: usize,
        repository: Option<usize>,
        user: Option<usize>,
    ) -> Option<usize> {
        let of_repository = repository.and_then(|at| self.repositories[at].cost_center);
        let of_user = || user.and_then(|at| self.users[at].cost_center);
        let of_organization = || match ORGANIZATIONS[organization] {
            "octo-data" => Some(1),
            "octo-mobile" => Some(2),
            "octo-labs" => Some(5),
            _ => None,
        };
        of_repository.or_else(of_user).or_else(of_organization)
    }
}

/// Half of everything belongs to the first organization, a quarter to the second, and so on.
fn organization(random: &mut Random) -> usize {
    let weights: Weights = [32, 20, 14, 14, 10, 10].into_iter().collect();
    random.weighted(&weights)
}

fn repositories(random: &mut Random) -> Vec<Repository> {
    let mut names: Vec<String> = SUBJECTS
        .iter()
        .flat_map(|subject| FORMS.iter().map(move |form| format!("{subject}-{form}")))
        .collect();
    random.shuffle(&mut names);
    names.truncate(REPOSITORIES - 3);
    // Names that people try first.
    names.splice(0..0, ["api", "web", "docs"].map(String::from));
    let mut repositories = Vec::with_capacity(names.len());
    for (rank, name) in names.into_iter().enumerate() {
        let visibility = match random.below(100) {
            0..15 => Visibility::Public,
            15..30 => Visibility::Internal,
            _ => Visibility::Private,
        };
        let count = random.between(1, 3);
        let workflows = (0..count).map(|_| *random.pick(&WORKFLOWS)).collect();
        repositories.push(Repository {
            organization: if rank < 3 { 0 } else { organization(random) },
            visibility,
            runners: runners(random, &name),
            workflows,
            cost_center: random.chance(25).then(|| random.index(COST_CENTERS.len())),
            artifacts_megabytes: random.skewed(17),
            name,
        });
    }
    repositories
}

fn runners(random: &mut Random, name: &str) -> Vec<&'static str> {
    let usual = match random.below(100) {
        _ if name.ends_with("ios") || name.ends_with("-app") => "actions_macos",
        0..4 => "actions_windows",
        4..8 => "actions_linux_arm",
        8..11 => "actions_linux_slim",
        _ => "actions_linux",
    };
    let mut runners = vec![usual];
    let others = [
        "actions_linux",
        "actions_windows",
        "actions_macos",
        "actions_linux_4_core",
        "actions_linux_8_core",
        "actions_linux_16_core",
        "actions_linux_64_core",
        "actions_windows_4_core",
        "actions_windows_8_core",
        "actions_linux_4_core_arm",
        "actions_macos_xl",
        "actions_self_hosted_linux",
    ];
    if name.ends_with("models") {
        runners.push("actions_linux_4_core_gpu");
    }
    if random.chance(40) {
        runners.push(*random.pick(&others));
    }
    runners
}

fn users(random: &mut Random) -> Vec<User> {
    let mut logins: Vec<String> = FIRST_NAMES
        .iter()
        .flat_map(|first| LAST_NAMES.iter().map(move |last| format!("{first}-{last}")))
        .collect();
    random.shuffle(&mut logins);
    logins.truncate(USERS - 2);
    logins.splice(0..0, [OWNER, BILLING_MANAGER].map(String::from));
    let mut users = Vec::with_capacity(logins.len());
    for (rank, login) in logins.into_iter().enumerate() {
        let seat = if random.chance(30) {
            "copilot_enterprise"
        } else {
            "copilot_for_business"
        };
        let given = i32::try_from(random.below(30)).unwrap_or(0) - 8;
        users.push(User {
            login,
            organization: if rank < 2 { 0 } else { organization(random) },
            seat: (rank == 0 || random.chance(45)).then_some((seat, given.max(0))),
            appetite: random.skewed(6),
            cost_center: random.chance(20).then(|| random.index(COST_CENTERS.len())),
        });
    }
    users
}
