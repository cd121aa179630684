bitflags::bitflags! {
    /// What may be done with directories of a mount. All by default.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub struct DirPerms: u8 {
        /// List entries and open what is in them.
        const READ = 1;
        /// Create, rename and remove entries, and change directories' times.
        const MUTATE = 2;
    }

    /// What may be done with files of a mount. All by default.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub struct FilePerms: u8 {
        /// Read contents.
        const READ = 1;
        /// Change contents, sizes and times.
        const WRITE = 2;
    }
}

impl Default for DirPerms {
    fn default() -> Self {
        Self::all()
    }
}

impl Default for FilePerms {
    fn default() -> Self {
        Self::all()
    }
}
