//! Templates of barcodes, with `*` for any characters and `?` for one (SMC-3 §6.12, SEND VOLUME TAG).

/// Returns whether a label matches a template, in time of at most the product of both lengths.
#[must_use]
pub fn matches(template: impl AsRef<[u8]>, label: impl AsRef<[u8]>) -> bool {
    let (template, label) = (template.as_ref(), label.as_ref());
    let (mut index, mut read) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while read < label.len() {
        match template.get(index) {
            Some(b'*') => {
                retry = Some((index, read));
                index += 1;
            }
            Some(wanted) if *wanted == b'?' || Some(wanted) == label.get(read) => (index, read) = (index + 1, read + 1),
            _ => match &mut retry {
                // Let the last `*` match one more character.
                Some((star, end)) => {
                    *end += 1;
                    (index, read) = (*star + 1, *end);
                }
                None => return false,
            },
        }
    }
    template.get(index..).unwrap_or_default().iter().all(|rest| *rest == b'*')
}
