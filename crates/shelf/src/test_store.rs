//! Stores of tests that change some requests, and pass all others to a store in memory.

/// The requests of an [`ObjectStore`](object_store::ObjectStore) other than `put_opts` and `get_opts`, for the `impl` block of a
/// store: they are passed to the store in a field.
macro_rules! pass_other_requests {
    ($field:ident) => {
        fn put_multipart_opts<'life0, 'life1, 'async_trait>(
            &'life0 self,
            path: &'life1 object_store::path::Path,
            options: object_store::PutMultipartOptions,
        ) -> futures_util::future::BoxFuture<'async_trait, object_store::Result<Box<dyn object_store::MultipartUpload>>>
        where
            'life0: 'async_trait,
            'life1: 'async_trait,
            Self: 'async_trait,
        {
            self.$field.put_multipart_opts(path, options)
        }

        fn delete_stream(
            &self,
            paths: futures::stream::BoxStream<'static, object_store::Result<object_store::path::Path>>,
        ) -> futures::stream::BoxStream<'static, object_store::Result<object_store::path::Path>> {
            self.$field.delete_stream(paths)
        }

        fn list(
            &self,
            prefix: Option<&object_store::path::Path>,
        ) -> futures::stream::BoxStream<'static, object_store::Result<object_store::ObjectMeta>> {
            self.$field.list(prefix)
        }

        fn list_with_delimiter<'life0, 'life1, 'async_trait>(
            &'life0 self,
            prefix: Option<&'life1 object_store::path::Path>,
        ) -> futures_util::future::BoxFuture<'async_trait, object_store::Result<object_store::ListResult>>
        where
            'life0: 'async_trait,
            'life1: 'async_trait,
            Self: 'async_trait,
        {
            self.$field.list_with_delimiter(prefix)
        }

        fn copy_opts<'life0, 'life1, 'life2, 'async_trait>(
            &'life0 self,
            from: &'life1 object_store::path::Path,
            to: &'life2 object_store::path::Path,
            options: object_store::CopyOptions,
        ) -> futures_util::future::BoxFuture<'async_trait, object_store::Result<()>>
        where
            'life0: 'async_trait,
            'life1: 'async_trait,
            'life2: 'async_trait,
            Self: 'async_trait,
        {
            self.$field.copy_opts(from, to, options)
        }
    };
}

pub(crate) use pass_other_requests;
