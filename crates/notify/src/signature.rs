//! The signature of a webhook, as the Standard Webhooks specification 1.0 defines it.

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The value of the header `webhook-signature`: `v1,` and the base64 of HMAC-SHA256 over identifier, time (seconds since
/// 1970) and body, with points between them.
#[must_use]
pub fn signature(key: &[u8], id: &str, timestamp: u64, body: &[u8]) -> String {
    let mut signed = format!("{id}.{timestamp}.").into_bytes();
    signed.extend_from_slice(body);
    let tag = sign(&Key::new(HMAC_SHA256, key), &signed);
    format!("v1,{}", STANDARD.encode(tag.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed by Python: `base64.b64encode(hmac.new(key, message, "sha256").digest())`.
    #[test]
    fn literal_vectors() {
        assert_eq!(
            signature(b"0123456789abcdef", "5f1c-7", 1_795_307_362, br#"{"seq":7}"#),
            "v1,eTxFoJPbvCrKPbPU1RA4aNbgpfTUvEP9O5VBBew/+mU="
        );
        let key = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        assert_eq!(
            signature(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }
}
