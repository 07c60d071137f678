//! The review status of a tool.

super::text_enum::text_enum! {
    /// Where a tool stands between its upstream and its operators.
    ToolStatus {
        /// Approved as it is, and offered to agents.
        Approved = "approved",
        /// Found by a probe, and never approved.
        New = "new",
        /// Approved once; the upstream has changed the definition since.
        Changed = "changed",
        /// Approved once; the upstream no longer offers the tool.
        Removed = "removed",
        /// A reviewer rejected the tool as it is.
        Rejected = "rejected",
    }
}
