//! What happened to an OAuth credential.

super::text_enum::text_enum! {
    /// The kinds of events.
    EventType {
        /// Somebody was sent to the authorization server.
        ConnectStarted = "connect_started",
        /// They came back and tokens were stored.
        ConnectCompleted = "connect_completed",
        /// Tokens were renewed.
        RefreshSucceeded = "refresh_succeeded",
        /// They were not, and may be later.
        RefreshFailedTransient = "refresh_failed_transient",
        /// They were not, and never will be: the owner has to connect again.
        RefreshFailedRevoked = "refresh_failed_revoked",
        /// There is nothing to renew them with.
        RefreshSkippedNoToken = "refresh_skipped_no_token",
        /// What would renew them has ended.
        RefreshSkippedExpired = "refresh_skipped_expired",
        /// They were renewed and could not be stored.
        RefreshRotationPersistenceFailed = "refresh_rotation_persistence_failed",
        /// Their owner disconnected.
        TokenDeletedRevoked = "token_deleted_revoked",
        /// An administrator removed them.
        TokenDeletedAdmin = "token_deleted_admin",
    }
}
