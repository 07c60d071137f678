//! Where an entry of a catalogue stands in its review.

super::text_enum::text_enum! {
    /// Where a tool stands between its upstream and its operators.
    ToolStatus {
        /// Offered.
        Approved = "approved",
        /// Found, and never approved.
        New = "new",
        /// Approved once, and not as it is now.
        Changed = "changed",
        /// Approved, and gone from the upstream.
        Removed = "removed",
        /// Refused as it is now.
        Rejected = "rejected",
    }
}
