//! Files that input names, and folders that hold what others must not change.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The system refuses.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A folder, a device, a pipe or a socket: reading it could block or never end.
    #[error("it is not a regular file")]
    NotRegular,
    /// More than a file of its kind may hold.
    #[error("it is larger than {0} bytes")]
    TooLarge(u64),
}

/// Opens a regular file to read it. Waits for nobody: a named pipe without a writer is refused like any other.
pub fn open_regular(path: &Path) -> Result<File, FileError> {
    // Opening a device can have effects, so the name is looked at first; what was opened is looked at again.
    if !fs::metadata(path)?.is_file() {
        return Err(FileError::NotRegular);
    }
    let mut options = File::options();
    options.read(true);
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits();
        std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, flags.cast_signed());
    }
    let file = options.open(path)?;
    if !file.metadata()?.is_file() {
        return Err(FileError::NotRegular);
    }
    Ok(file)
}

/// The bytes of a regular file.
pub fn read_regular(path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    read_open(open_regular(path)?, limit)
}

/// The bytes of a file that [`open_regular`] opened.
pub(crate) fn read_open(file: File, limit: u64) -> Result<Vec<u8>, FileError> {
    if file.metadata()?.len() > limit {
        return Err(FileError::TooLarge(limit));
    }
    read_bounded(file, limit)
}

/// The bytes of a reader whose length is not known, such as standard input.
pub fn read_bounded(reader: impl Read, limit: u64) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    // One byte more than allowed shows that it is too large. Files of /proc do not state their length.
    reader.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(FileError::TooLarge(limit));
    }
    Ok(bytes)
}

/// The path of a file that a file in `folder` names, which must be below that folder, wherever links lead.
pub(crate) fn below(folder: &Path, named: &str) -> io::Result<PathBuf> {
    let outside = || io::Error::other("it is outside the folder of the file that names it");
    let plain = |part| matches!(part, Component::Normal(_) | Component::CurDir);
    if !Path::new(named).components().all(plain) {
        return Err(outside());
    }
    let folder = if folder == Path::new("") {
        Path::new(".")
    } else {
        folder
    };
    let path = folder.join(named);
    match path.canonicalize() {
        Ok(real) if !real.starts_with(folder.canonicalize()?) => Err(outside()),
        // Whoever opens it says that there is none.
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(path),
    }
}

/// Makes a folder for the user alone, unless it exists, and refuses one in which other users could change or replace files.
pub(crate) fn private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;
    #[cfg(unix)]
    refuse_shared(&folder.canonicalize()?)?;
    Ok(())
}

#[cfg(unix)]
fn refuse_shared(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    let about = fs::metadata(folder)?;
    if about.uid() != rustix::process::geteuid().as_raw() {
        return Err(io::Error::other(format!(
            "the folder `{}` belongs to another user",
            folder.display()
        )));
    }
    let shared = |folder: &Path, mode: u32| {
        let (shown, mode) = (folder.display(), mode & 0o7777);
        Err(io::Error::other(format!(
            "other users may write to the folder `{shown}` (mode {mode:03o}); run `chmod go-w {shown}`, or name another"
        )))
    };
    if about.mode() & 0o022 != 0 {
        return shared(folder, about.mode());
    }
    for above in folder.ancestors().skip(1) {
        let mode = fs::metadata(above)?.mode();
        // In a sticky folder such as /tmp, others cannot rename what is not theirs.
        if mode & 0o002 != 0 && mode & 0o1000 == 0 {
            return shared(above, mode);
        }
    }
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn only_regular_files_of_bounded_size_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "12345").unwrap();
        symlink(at("file"), at("link")).unwrap();
        assert_eq!(read_regular(&at("link"), 5).unwrap(), b"12345");
        assert!(matches!(read_regular(&at("file"), 4), Err(FileError::TooLarge(4))));
        // Its length is stated as 0.
        assert!(
            !read_regular(Path::new("/proc/self/status"), 1 << 20)
                .unwrap()
                .is_empty()
        );
        assert!(matches!(
            read_regular(Path::new("/proc/self/status"), 10),
            Err(FileError::TooLarge(10))
        ));
        // Nobody writes to the pipe: opening it would take for ever.
        rustix::fs::mkfifoat(rustix::fs::CWD, at("pipe"), rustix::fs::Mode::RUSR).unwrap();
        symlink("/dev/zero", at("zero")).unwrap();
        for name in ["pipe", "zero", "/dev/zero", "/dev/null", "."] {
            let read = read_regular(&at(name), 10);
            assert!(matches!(read, Err(FileError::NotRegular)), "{name}: {read:?}");
        }
        assert!(matches!(read_regular(&at("none"), 10), Err(FileError::Io(_))));
    }

    #[test]
    fn a_file_names_no_file_outside_its_folder() {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("folder");
        fs::create_dir_all(folder.join("sub")).unwrap();
        for name in ["outside", "folder/inside", "folder/sub/inside"] {
            fs::write(outer.path().join(name), "").unwrap();
        }
        symlink(outer.path().join("outside"), folder.join("link")).unwrap();
        symlink(outer.path(), folder.join("up")).unwrap();
        symlink("sub/inside", folder.join("near")).unwrap();
        for name in ["inside", "./inside", "sub/inside", "near", "none"] {
            assert!(below(&folder, name).is_ok(), "{name}");
        }
        for name in ["../outside", "/etc/passwd", "sub/../../outside", "link", "up/outside"] {
            assert!(below(&folder, name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_folder_that_others_may_write_to_is_refused() {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("a/b");
        private_folder(&folder).unwrap();
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
        for mode in [0o770, 0o702, 0o777, 0o1777] {
            set_mode(&folder, mode);
            let error = private_folder(&folder).unwrap_err().to_string();
            assert!(error.contains("chmod go-w"), "{mode:o}: {error}");
        }
        set_mode(&folder, 0o755);
        private_folder(&folder).unwrap();
        let link = outer.path().join("link");
        symlink(&folder, &link).unwrap();
        private_folder(&link).unwrap();
        set_mode(&outer.path().join("a"), 0o777);
        assert!(
            private_folder(&folder).is_err(),
            "others could put another folder in its place"
        );
        assert!(private_folder(&link).is_err());
        set_mode(&outer.path().join("a"), 0o1777);
        private_folder(&folder).unwrap();
    }
}
