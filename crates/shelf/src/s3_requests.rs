//! Signed requests to a store with the S3 protocol, with its address and credentials, and an HTTP client like its own.

use crate::object_lock::{Sent, SignedRequest, SignedRequests, SignedResponse};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::TryStreamExt;
use md5::{Digest, Md5};
use object_store::aws::{AmazonS3, AwsAuthorizer};
use object_store::client::{ClientOptions, HttpClient, HttpConnector, HttpRequest, HttpRequestBody, ReqwestConnector};
use object_store::path::Path;
use object_store::signer::Signer;
use object_store::{Error, HeaderValue};
use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// Longest document of a response, in bytes.
const MAX_BODY: usize = 64 << 10;
/// The store signs a URL for this time; it is not used, only its address is.
const UNUSED: Duration = Duration::from_secs(60);

/// Sends requests to a bucket.
#[derive(Debug)]
pub(crate) struct S3Requests {
    store: Arc<AmazonS3>,
    client: HttpClient,
}

fn failed(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
    Error::Generic { store: "S3", source: source.into() }
}

impl S3Requests {
    /// Requests to the bucket of a store, with a client of these options.
    pub(crate) fn new(store: Arc<AmazonS3>, options: &ClientOptions) -> object_store::Result<Self> {
        Ok(Self { store, client: ReqwestConnector::default().connect(options)? })
    }

    /// The address of an object, or of the bucket, and the region of its signatures.
    async fn address(&self, object: &Path, query: &str) -> object_store::Result<(Url, String)> {
        // The client makes addresses only for itself, and in the URLs that it signs for others.
        let get = "GET".parse().map_err(|_| failed("GET is no method"))?;
        let mut url = self.store.signed_url(get, object, UNUSED).await?;
        let scope = url.query_pairs().find(|(name, _)| name == "X-Amz-Credential").map(|(_, scope)| scope.into_owned());
        // KEY/DATE/REGION/s3/aws4_request
        let region = scope.as_deref().and_then(|scope| scope.rsplit('/').nth(2)).ok_or_else(|| failed("no region"))?;
        let region = region.to_owned();
        url.set_query(Some(format!("{query}=")).filter(|_| !query.is_empty()).as_deref());
        Ok((url, region))
    }

    async fn request(&self, asked: &SignedRequest) -> object_store::Result<HttpRequest> {
        let object = asked.object.clone().unwrap_or_default();
        let (url, region) = self.address(&object, asked.query).await?;
        let mut request = HttpRequest::new(HttpRequestBody::from(asked.body.clone()));
        *request.method_mut() = asked.method.parse().map_err(|_| failed("the method is none of HTTP"))?;
        *request.uri_mut() = url.as_str().parse().map_err(failed_parse)?;
        if !asked.body.is_empty() {
            // Locks are accepted only with a checksum of the document, and all stores know this one.
            let checksum = STANDARD.encode(Md5::digest(asked.body.as_bytes()));
            request.headers_mut().insert("content-md5", HeaderValue::from_str(&checksum).map_err(failed)?);
        }
        let credential = self.store.credentials().get_credential().await?;
        AwsAuthorizer::new(&credential, "s3", &region).try_authorize(&mut request, None)?;
        Ok(request)
    }

    async fn response(&self, request: HttpRequest) -> object_store::Result<SignedResponse> {
        let response = self.client.execute(request).await.map_err(failed)?;
        let status = response.status().as_u16();
        let header = |name: &str| Some(response.headers().get(name)?.to_str().ok()?.to_owned());
        let (date, class, restore) = (header("date"), header("x-amz-storage-class"), header("x-amz-restore"));
        let archive = header("x-amz-archive-status");
        let mut chunks = response.into_body().bytes_stream();
        let mut body = Vec::new();
        while let Some(chunk) = chunks.try_next().await.map_err(failed)? {
            body.extend_from_slice(chunk.get(..chunk.len().min(MAX_BODY - body.len())).unwrap_or_default());
        }
        let body = String::from_utf8_lossy(&body).into_owned();
        match status {
            500.. | 408 | 429 => Err(failed(format!("status {status}: {body}"))),
            _ => Ok(SignedResponse { status, date, class, restore, archive, body }),
        }
    }
}

fn failed_parse(error: impl StdError + Send + Sync + 'static) -> Error {
    failed(error)
}

impl SignedRequests for S3Requests {
    fn send(&self, request: SignedRequest) -> Sent<'_> {
        Box::pin(async move {
            let request = self.request(&request).await?;
            self.response(request).await
        })
    }
}
