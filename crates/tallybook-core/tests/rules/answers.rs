//! Whatever was imported and reverted in whatever order: the core answers as the model does.

use crate::generate::{Step, account_kind, history, long, query};
use crate::model::Model;
use crate::rig::Rig;
use proptest::collection::vec;
use proptest::prelude::*;
use tallybook_core::account::{AccountKind, AccountName};

/// Both after the same steps.
pub(crate) fn play(kind: AccountKind, steps: &[Step]) -> (Rig, Model) {
    let mut rig = Rig::new(AccountName::new(kind, "octo"));
    let mut model = Model::new(rig.catalog.clone(), kind);
    for step in steps {
        match step {
            Step::Import(import) => {
                rig.import(import);
                model.import(import);
            }
            Step::Revert(_) if model.imports.is_empty() => {}
            Step::Revert(number) => {
                let number = number % model.imports.len();
                if model.imports[number].live {
                    rig.revert(number);
                    model.imports[number].live = false;
                }
            }
        }
    }
    (rig, model)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_answer_is_the_models(
        (kind, steps) in account_kind().prop_flat_map(|kind| (Just(kind), history(kind))),
        queries in vec(query(), 4),
    ) {
        let (rig, model) = play(kind, &steps);
        for query in queries {
            prop_assert_eq!(rig.answer(&query), model.answer(&query), "{:?}", query);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]

    #[test]
    fn every_answer_over_many_lines_is_the_models(
        import in long(),
        queries in vec(query(), 4),
    ) {
        let (rig, model) = play(AccountKind::Enterprise, &[Step::Import(import)]);
        for query in queries {
            // Not printed: thousands of rows.
            prop_assert!(rig.answer(&query) == model.answer(&query), "{:?}", query);
        }
    }
}
