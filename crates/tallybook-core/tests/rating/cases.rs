//! Every case is a test of its own; the texts say what they are about.

use crate::case;

macro_rules! cases {
    ($($name:ident),* $(,)?) => {
        $(#[test]
        fn $name() {
            case::check(include_str!(concat!("cases/", stringify!($name), ".txt")));
        })*
    };
}

cases! {
    ai_credits_are_pooled,
    ai_credits_with_promotion,
    amounts_that_change_within_a_month,
    codespaces_core_hours,
    custom_image_storage_runs_out,
    free_organization_september_2026,
    git_lfs,
    larger_runners,
    negotiated_discounts,
    own_products,
    packages_transfer,
    plan_changes,
    premium_requests_per_user,
    prices_across_new_year,
    public_repository,
    seats_without_names,
    shared_storage,
    user_account,
}
