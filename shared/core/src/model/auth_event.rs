//! Events of OAuth credentials, the rows of table `auth_events`.

super::text_enum::text_enum! {
    /// What happened to a credential.
    EventType {
        /// A person was sent to the authorization server.
        ConnectStarted = "connect_started",
        /// The authorization server granted access, and the tokens were stored.
        ConnectCompleted = "connect_completed",
        /// The tokens were renewed.
        RefreshSucceeded = "refresh_succeeded",
        /// Renewing failed; a later attempt may succeed.
        RefreshFailedTransient = "refresh_failed_transient",
        /// Renewing failed for good: the owner has to connect again.
        RefreshFailedRevoked = "refresh_failed_revoked",
        /// The tokens cannot be renewed, because there is no refresh token.
        RefreshSkippedNoToken = "refresh_skipped_no_token",
        /// The tokens cannot be renewed, because the refresh token has expired.
        RefreshSkippedExpired = "refresh_skipped_expired",
        /// The tokens were renewed, but the new ones could not be stored.
        RefreshRotationPersistenceFailed = "refresh_rotation_persistence_failed",
        /// The owner disconnected, and the tokens were deleted.
        TokenDeletedRevoked = "token_deleted_revoked",
        /// An administrator who is not the owner deleted the tokens.
        TokenDeletedAdmin = "token_deleted_admin",
    }
}
