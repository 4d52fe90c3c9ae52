//! The wire's enumerations name exactly what core knows.

use keyward_api::names;
use keyward_core::audit::format::Format;
use keyward_core::audit::{Authentication, Outcome};
use keyward_core::crypto_types::{Algorithm, SignatureScheme, Usage};
use keyward_core::crypto_types::{KeyFormat, PublicKeyFormat, WrapMethod};
use keyward_core::noun::action::Action;
use keyward_core::noun::import_key::{ImportFormat, ImportMethod};
use keyward_core::noun::job::{JobKind, JobState};
use keyward_core::noun::key::{Origin, ProviderKind};
use keyward_core::noun::principal::PrincipalKind;
use keyward_core::noun::state::State;
use keyward_core::noun::tenant::TenantState;
use keyward_core::ops::key::RevocationReason;

#[test]
fn the_wire_names_what_core_knows() {
    macro_rules! same {
        ($($wire:ident = $core:ty),+ $(,)?) => {$(
            let core: Vec<&str> = <$core>::ALL.iter().map(|value| value.name()).collect();
            assert_eq!(names::$wire::ALL, core, stringify!($wire));
        )+};
    }
    same!(
        Algorithm = Algorithm,
        Usage = Usage,
        SignatureScheme = SignatureScheme,
        Provider = ProviderKind,
        KeyOrigin = Origin,
        WrapMethod = WrapMethod,
        KeyFormat = KeyFormat,
        PublicKeyFormat = PublicKeyFormat,
        ImportMethod = ImportMethod,
        ImportFormat = ImportFormat,
        KeyState = State,
        TenantState = TenantState,
        PrincipalKind = PrincipalKind,
        RevocationReason = RevocationReason,
        SealKind = keyward_core::port::seal::SealKind,
        JobKind = JobKind,
        JobState = JobState,
        PolicyStatus = keyward_core::noun::policy::PolicyStatus,
        ScheduleMove = keyward_core::rotation::Moved,
        RotationTrigger = keyward_core::noun::rotation::RotationTrigger,
        RotationOutcome = keyward_core::noun::rotation::RotationOutcome,
        StorageMigrationPhase = keyward_core::port::storage_migration::MigrationPhase,
        AuditOutcome = Outcome,
        AuditFormat = Format,
        AuditSinkKind = keyward_core::sink_board::SinkKind,
        AuditSinkState = keyward_core::sink_board::SinkState,
        AuditDetail = keyward_core::noun::tenant::AuditDetail,
        AuditCountBy = keyward_core::port::audit_search::CountBy,
        AuditCountEvery = keyward_core::port::audit_search::CountEvery,
        AuditWitnessState = keyward_core::witness_board::WitnessState,
        AuditMirrorState = keyward_core::mirror_board::MirrorState,
        AuditAuthentication = Authentication,
        Permission = Action,
    );
}
