use super::bindings::wasi::filesystem::types::{
    Advice, DescriptorFlags, DescriptorStat, DescriptorType, Filesize, HostDescriptor,
    MetadataHashValue, NewTimestamp, OpenFlags, PathFlags,
};
use super::convert::{open, timestamp};
use super::{Answer, Failure};
use crate::descriptor::Descriptor;
use crate::known::Known;
use crate::listing::Listing;
use crate::locks::Request;
use crate::open_file::OpenFile;
use crate::place::Place;
use crate::stream::{FileReader, FileWriter};
use crate::view::VfsCtxView;
use crate::{FsError, FsResult};
use std::sync::Arc;
use std::time::SystemTime;
use wasmtime::component::Resource;
use wasmtime_wasi_io::streams::{DynInputStream, DynOutputStream};

type Handle = Resource<Descriptor>;

type Times = (Option<SystemTime>, Option<SystemTime>);

fn follow(flags: PathFlags) -> bool {
    flags.contains(PathFlags::SYMLINK_FOLLOW)
}

impl VfsCtxView<'_> {
    /// The times to set, of which either may stay as it is.
    fn times(&self, accessed: NewTimestamp, modified: NewTimestamp) -> FsResult<Times> {
        let now = self.ctx.now();
        Ok((timestamp(accessed, now)?, timestamp(modified, now)?))
    }

    fn dir(&self, handle: &Handle) -> Answer<Arc<Place>> {
        Ok(Arc::clone(self.table.get(handle)?.dir()?))
    }

    fn file(&self, handle: &Handle) -> Answer<Arc<OpenFile>> {
        Ok(Arc::clone(self.table.get(handle)?.file()?))
    }

    /// As [`file`](Self::file), for what only files are made for.
    fn changeable_file(&self, handle: &Handle) -> Answer<Arc<OpenFile>> {
        match self.table.get(handle)? {
            Descriptor::File(file) => Ok(Arc::clone(file)),
            Descriptor::Dir { .. } => Err(FsError::Invalid.into()),
        }
    }

    async fn known(&mut self, handle: &Handle) -> Answer<Known> {
        let descriptor = self.table.get(handle)?;
        Ok(match descriptor {
            Descriptor::File(file) => file.stat().await?,
            Descriptor::Dir { place, .. } => self.ctx.stat(place).await?,
        })
    }

    fn push_writer(
        &mut self,
        file: Arc<OpenFile>,
        offset: Option<Filesize>,
    ) -> Answer<Resource<DynOutputStream>> {
        file.check_write()?;
        let stream: DynOutputStream = Box::new(FileWriter::new(file, offset)?);
        Ok(self.table.push(stream)?)
    }
}

impl HostDescriptor for VfsCtxView<'_> {
    fn read_via_stream(
        &mut self,
        this: Handle,
        offset: Filesize,
    ) -> Answer<Resource<DynInputStream>> {
        let file = self.file(&this)?;
        if !file.may_read {
            return Err(FsError::BadDescriptor.into());
        }
        let stream: DynInputStream = Box::new(FileReader::new(file, offset)?);
        Ok(self.table.push(stream)?)
    }

    fn write_via_stream(
        &mut self,
        this: Handle,
        offset: Filesize,
    ) -> Answer<Resource<DynOutputStream>> {
        let file = self.file(&this)?;
        self.push_writer(file, Some(offset))
    }

    fn append_via_stream(&mut self, this: Handle) -> Answer<Resource<DynOutputStream>> {
        let file = self.file(&this)?;
        self.push_writer(file, None)
    }

    /// There is nothing to prepare for; but see [`Request`].
    async fn advise(
        &mut self,
        this: Handle,
        offset: Filesize,
        length: Filesize,
        advice: Advice,
    ) -> Answer<()> {
        let file = self.file(&this)?;
        match Request::of(offset, length) {
            Some(request) if advice == Advice::NoReuse => Ok(file.lock(&request?).await?),
            _ => Ok(()),
        }
    }

    async fn sync_data(&mut self, this: Handle) -> Answer<()> {
        self.sync(this).await
    }

    fn get_flags(&mut self, this: Handle) -> Answer<DescriptorFlags> {
        let mut flags = DescriptorFlags::empty();
        match self.table.get(&this)? {
            Descriptor::File(file) => {
                if file.may_read {
                    flags |= DescriptorFlags::READ;
                }
                if file.may_write {
                    flags |= DescriptorFlags::WRITE;
                }
            }
            Descriptor::Dir { may_change, .. } => {
                flags |= DescriptorFlags::READ;
                if *may_change {
                    flags |= DescriptorFlags::MUTATE_DIRECTORY;
                }
            }
        }
        Ok(flags)
    }

    async fn get_type(&mut self, this: Handle) -> Answer<DescriptorType> {
        Ok(match self.table.get(&this)? {
            Descriptor::File(_) => DescriptorType::RegularFile,
            Descriptor::Dir { .. } => DescriptorType::Directory,
        })
    }

    async fn set_size(&mut self, this: Handle, size: Filesize) -> Answer<()> {
        Ok(self.changeable_file(&this)?.set_size(size).await?)
    }

    async fn set_times(
        &mut self,
        this: Handle,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> Answer<()> {
        let (accessed, modified) = self.times(accessed, modified)?;
        match self.table.get(&this)? {
            Descriptor::File(file) => file.set_times(accessed, modified).await?,
            Descriptor::Dir { place, .. } => {
                self.ctx.set_times(place, true, accessed, modified).await?;
            }
        }
        Ok(())
    }

    async fn read(
        &mut self,
        this: Handle,
        length: Filesize,
        offset: Filesize,
    ) -> Answer<(Vec<u8>, bool)> {
        let bytes = self.file(&this)?.read(offset, length).await?;
        let at_end = bytes.is_empty() && length > 0;
        Ok((bytes, at_end))
    }

    async fn write(&mut self, this: Handle, bytes: Vec<u8>, offset: Filesize) -> Answer<Filesize> {
        let length = Filesize::try_from(bytes.len()).map_err(|_| FsError::TooLarge)?;
        self.file(&this)?.write(Some(offset), bytes.into()).await?;
        Ok(length)
    }

    async fn read_directory(&mut self, this: Handle) -> Answer<Resource<Listing>> {
        let place = self.dir(&this)?;
        let listing = self.ctx.list(&place).await?;
        Ok(self.table.push(listing)?)
    }

    async fn sync(&mut self, this: Handle) -> Answer<()> {
        match self.table.get(&this)? {
            Descriptor::File(file) => Ok(file.sync().await?),
            Descriptor::Dir { .. } => Ok(()),
        }
    }

    async fn create_directory_at(&mut self, this: Handle, path: String) -> Answer<()> {
        Ok(self.ctx.create_dir_at(&self.dir(&this)?, &path).await?)
    }

    async fn stat(&mut self, this: Handle) -> Answer<DescriptorStat> {
        Ok(self.known(&this).await?.into())
    }

    async fn stat_at(
        &mut self,
        this: Handle,
        flags: PathFlags,
        path: String,
    ) -> Answer<DescriptorStat> {
        Ok(self.ctx.stat_at(&self.dir(&this)?, &path, follow(flags)).await?.into())
    }

    async fn set_times_at(
        &mut self,
        this: Handle,
        flags: PathFlags,
        path: String,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> Answer<()> {
        let (accessed, modified) = self.times(accessed, modified)?;
        let dir = self.dir(&this)?;
        Ok(self.ctx.set_times_at(&dir, &path, follow(flags), accessed, modified).await?)
    }

    async fn link_at(
        &mut self,
        this: Handle,
        flags: PathFlags,
        path: String,
        new_dir: Handle,
        new_path: String,
    ) -> Answer<()> {
        let (dir, new_dir) = (self.dir(&this)?, self.dir(&new_dir)?);
        Ok(self.ctx.link_at(&dir, &path, follow(flags), &new_dir, &new_path).await?)
    }

    async fn open_at(
        &mut self,
        this: Handle,
        path_flags: PathFlags,
        path: String,
        open_flags: OpenFlags,
        flags: DescriptorFlags,
    ) -> Answer<Handle> {
        let how = open(follow(path_flags), open_flags, flags);
        let opened = self.ctx.open_at(&self.dir(&this)?, &path, how).await?;
        Ok(self.table.push(opened)?)
    }

    async fn readlink_at(&mut self, this: Handle, path: String) -> Answer<String> {
        Ok(self.ctx.read_link_at(&self.dir(&this)?, &path).await?)
    }

    async fn remove_directory_at(&mut self, this: Handle, path: String) -> Answer<()> {
        Ok(self.ctx.remove_dir_at(&self.dir(&this)?, &path).await?)
    }

    async fn rename_at(
        &mut self,
        this: Handle,
        path: String,
        new_dir: Handle,
        new_path: String,
    ) -> Answer<()> {
        let (dir, new_dir) = (self.dir(&this)?, self.dir(&new_dir)?);
        Ok(self.ctx.rename_at(&dir, &path, &new_dir, &new_path).await?)
    }

    async fn symlink_at(&mut self, this: Handle, target: String, path: String) -> Answer<()> {
        Ok(self.ctx.symlink_at(&target, &self.dir(&this)?, &path).await?)
    }

    async fn unlink_file_at(&mut self, this: Handle, path: String) -> Answer<()> {
        Ok(self.ctx.unlink_at(&self.dir(&this)?, &path).await?)
    }

    async fn is_same_object(&mut self, this: Handle, other: Handle) -> wasmtime::Result<bool> {
        let mut ids = Vec::new();
        for handle in [this, other] {
            match self.known(&handle).await {
                Ok(known) => ids.push(known.id),
                // What cannot be looked at is the same as nothing.
                Err(Failure::Code(_)) => return Ok(false),
                Err(Failure::Trap(error)) => return Err(error),
            }
        }
        Ok(ids.first() == ids.last())
    }

    async fn metadata_hash(&mut self, this: Handle) -> Answer<MetadataHashValue> {
        Ok(self.known(&this).await?.into())
    }

    async fn metadata_hash_at(
        &mut self,
        this: Handle,
        flags: PathFlags,
        path: String,
    ) -> Answer<MetadataHashValue> {
        Ok(self.ctx.stat_at(&self.dir(&this)?, &path, follow(flags)).await?.into())
    }

    fn drop(&mut self, this: Handle) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}
