//! Values that are one of a few words.

use super::settings::choice;

choice! {
    /// When an audit entry counts as written.
    pub enum AuditSync {
        /// When it survives power loss.
        Always => "always",
        /// When the operating system has it.
        Written => "written",
    }
}

choice! {
    /// How the server's own log looks.
    pub enum LogFormat {
        /// Lines for people.
        Text => "text",
        /// One JSON object a line.
        Json => "json",
    }
}

choice! {
    /// When changes come into backups.
    pub enum Continuity {
        /// Some time after they were answered.
        Off => "off",
        /// Before they are answered.
        BeforeAnswer => "before-answer",
    }
}

choice! {
    /// What becomes of changes that come into no backup.
    pub enum OnFailure {
        /// They are refused.
        Refuse => "refuse",
        /// They are made and answered.
        Degrade => "degrade",
    }
}
