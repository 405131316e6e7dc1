//! A drive in memory inside a program, with a cartridge, and a host that writes a block and reads it. No default feature
//! of `ssc` is used, so nothing here compiles C code; the tests show what such a drive refuses.

use scsi_core::{Data, Identity, LogicalUnit, NexusId, Now, Request, Sense, TargetPort, TransportEvent, TransportId};
use ssc::{Drive, DriveConfig};
use std::error::Error;
use std::io::{IoSlice, IoSliceMut};
use tape_store::{Barcode, CartridgeKind, MemoryFolderStore, NewCartridge, TapeStore, media::LTO_8};

const HOST: NexusId = NexusId(1);

fn main() -> Result<(), Box<dyn Error>> {
    let store = TapeStore::new(Box::new(MemoryFolderStore::default()));
    let barcode = Barcode::new("V00001L8").ok_or("not a barcode")?;
    store.create(&barcode, &NewCartridge::data(&LTO_8).with_serial("S1"))?;
    let mut drive = drive_with(&store, &barcode)?;
    execute(&mut drive, &[0x0a, 0, 0, 0, 5, 0], b"hello", &mut [])?; // WRITE(6)
    execute(&mut drive, &[0x01, 0, 0, 0, 0, 0], &[], &mut [])?; // REWIND
    let mut block = [0; 16];
    let len = execute(&mut drive, &[0x08, 0x02, 0, 0, 16, 0], &[], &mut block)?; // READ(6), SILI
    if block.get(..len) == Some(b"hello") {
        Ok(())
    } else {
        Err("the block differs from the one that was written".into())
    }
}

/// A ready LTO-8 drive with a cartridge of the store, and one host.
fn drive_with(store: &TapeStore, barcode: &Barcode) -> Result<Drive, Box<dyn Error>> {
    let profile = ssc::profile::by_product("ULT3580-TD8").ok_or("unknown model")?;
    let identity = Identity::new(profile.model, "1068000001", 0x3000_0000_0000_0001, TargetPort::LOCAL);
    let mut drive = Drive::new(profile, identity, DriveConfig::default(), Default::default());
    drive.insert(store.cartridge(barcode, &LTO_8, CartridgeKind::Data, LTO_8.capacity))?;
    let port = TransportId::local(1);
    drive.handle_event(TransportEvent::NexusEstablished { nexus: HOST, port, reestablished: false }, Now::default());
    while execute(&mut drive, &[0; 6], &[], &mut []).is_err() {} // TEST UNIT READY until GOOD
    Ok(drive)
}

/// Runs a command; returns the number of bytes in `data_in`.
fn execute(drive: &mut Drive, cdb: &[u8], data_out: &[u8], data_in: &mut [u8]) -> Result<usize, String> {
    let data_in = &mut [IoSliceMut::new(data_in)];
    let request = Request::new(HOST, cdb, Now::default());
    let completion = drive.execute(&request, Data::new(&[IoSlice::new(data_out)], data_in));
    let Some(sense) = completion.sense.and_then(|bytes| Sense::decode(bytes.as_slice())) else {
        let status = completion.status.0;
        return if status == 0 { Ok(completion.data_in) } else { Err(format!("status {status:02X}h")) };
    };
    Err(format!("sense {:X}h {:02X}h/{:02X}h", sense.key.0, sense.asc.code(), sense.asc.qualifier()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use tape_store::backend::FolderStore;
    use tape_store::encrypt::{Decryption, Encryption, Key, KeyAssociatedData};
    use tape_store::{Codec, Feature, Medium, ReadOutcome};

    /// The native cartridge of the tests of `tape-store`, in memory. In a build of the whole workspace, this program has
    /// the features of the other programs; the expected results below are those of both builds.
    fn golden() -> (TapeStore, Barcode) {
        let directory =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/tape-store/tests/golden/ferric-1/D00001L8");
        let folders = MemoryFolderStore::default();
        let mut folder = folders.create("D00001L8").unwrap();
        for file in std::fs::read_dir(directory).unwrap() {
            let file = file.unwrap();
            folder.replace(file.file_name().to_str().unwrap(), &std::fs::read(file.path()).unwrap()).unwrap();
        }
        (TapeStore::new(Box::new(folders)), Barcode::new("D00001L8").unwrap())
    }

    fn expected<'a>(feature: Feature, with: &'a str, without: &'a str) -> &'a str {
        if feature.is_enabled() { with } else { without }
    }

    /// The results of reading each object of partition 0, with the key of the encrypted blocks.
    fn objects(decryption: Decryption<'_>) -> Vec<String> {
        let (store, barcode) = golden();
        let mut cartridge = store.cartridge(&barcode, &LTO_8, CartridgeKind::Data, 1);
        let (mut tape, _) = cartridge.open_read_only().unwrap();
        let mut found = Vec::new();
        loop {
            let read = tape.read_decrypting(&mut [], decryption);
            match read {
                Ok(ReadOutcome::EndOfData) => return found,
                Ok(ReadOutcome::Block { .. }) => found.push("block".into()),
                Ok(ReadOutcome::Filemark) => found.push("filemark".into()),
                Err(error) => found.push(error.to_string()),
            }
            let next = u64::try_from(found.len()).unwrap();
            tape.locate(0, next).unwrap();
        }
    }

    #[test]
    fn a_block_is_written_and_read() {
        main().unwrap();
    }

    #[test]
    fn blocks_of_a_missing_feature_are_named() {
        let key = Key::new(&[7; 32]).unwrap();
        let block = |feature, without| expected(feature, "block", without);
        let zstd = block(Feature::Zstd, "partition 0, object 1: zstd needs feature \"zstd\", which this build lacks");
        let zlib = block(Feature::Zlib, "partition 0, object 6: zlib needs feature \"zlib\", which this build lacks");
        let [third, seventh] = [
            "partition 0, object 3: AES-256-GCM needs feature \"encryption\", which this build lacks",
            "partition 0, object 7: AES-256-GCM needs feature \"encryption\", which this build lacks",
        ]
        .map(|without| block(Feature::Encryption, without));
        assert_eq!(
            objects(Decryption::Mixed(&key)),
            ["block", zstd, "filemark", third, "filemark", "filemark", zlib, seventh]
        );
    }

    #[test]
    fn sense_of_a_block_of_a_missing_codec() {
        let (store, barcode) = golden();
        let mut drive = drive_with(&store, &barcode).unwrap();
        let mut read = || execute(&mut drive, &[0x08, 0x02, 0xff, 0xff, 0xff, 0], &[], &mut []).err();
        let zstd = expected(Feature::Zstd, "", "sense 3h 11h/0Eh");
        let refused = [read(), read()].map(Option::unwrap_or_default);
        assert_eq!(refused, ["", zstd]);
    }

    #[test]
    fn security_protocol_is_an_unknown_command_without_encryption() {
        let (store, barcode) = golden();
        let mut drive = drive_with(&store, &barcode).unwrap();
        let read = execute(&mut drive, &[0xa2, 0x20, 0, 0, 0, 0, 0, 0, 0, 64, 0, 0], &[], &mut [0; 64]);
        let refused = read.err().unwrap_or("GOOD".into());
        assert_eq!(refused, expected(Feature::Encryption, "GOOD", "sense 5h 20h/00h"));
        // REPORT SUPPORTED OPERATION CODES: SUPPORT 001b is not supported, 011b is supported in conformance with a standard.
        for opcode in [0xa2, 0xb5] {
            let mut report = [0; 64];
            execute(&mut drive, &[0xa3, 0x0c, 1, opcode, 0, 0, 0, 0, 0, 64, 0, 0], &[], &mut report).unwrap();
            assert_eq!(report[1] & 7, if Feature::Encryption.is_enabled() { 3 } else { 1 });
        }
        // Mode page 24h: byte 7 of the page, after the header of 4 bytes and the block descriptor of 8.
        let mut page = [0; 64];
        execute(&mut drive, &[0x1a, 0, 0x24, 0, 64, 0], &[], &mut page).unwrap();
        assert_eq!(page[12..20], [0x24, 6, 0, 0, 0, 0, 0, u8::from(Feature::Encryption.is_enabled())]);
    }

    #[test]
    fn writes_with_a_missing_feature_are_refused() {
        let (store, barcode) = golden();
        let mut cartridge = store.cartridge(&barcode, &LTO_8, CartridgeKind::Data, 1 << 30);
        let (mut tape, _) = cartridge.open_three_file().unwrap();
        let block = [IoSlice::new(&[7; 1000])];
        let outcome = |written: Result<_, tape_store::StoreError>| {
            written.map_or_else(|error| error.to_string(), |_| "written".into())
        };
        assert_eq!(
            outcome(tape.append(&block, Codec::zstd(1))),
            expected(
                Feature::Zstd,
                "written",
                "partition 0, object 0: zstd needs feature \"zstd\", which this build lacks"
            )
        );
        assert_eq!(
            outcome(tape.append(&block, Codec::zlib(1))),
            expected(
                Feature::Zlib,
                "written",
                "partition 0, object 0: zlib needs feature \"zlib\", which this build lacks"
            )
        );
        let encryption = Encryption {
            key: Key::new(&[7; 32]).unwrap(),
            kads: KeyAssociatedData::default(),
            raw_read_disabled: false,
            entropy: |_| Ok(()),
        };
        let without = "partition 0, object 0: AES-256-GCM needs feature \"encryption\", which this build lacks";
        assert_eq!(
            outcome(tape.append_encrypted(&block, Codec::NONE, &encryption)),
            expected(Feature::Encryption, "written", without)
        );
    }

    #[test]
    fn a_codec_of_a_missing_feature_is_refused_by_name() {
        for (text, feature, without) in [
            ("zstd:3", Feature::Zstd, "zstd needs feature \"zstd\", which this build lacks"),
            ("zlib", Feature::Zlib, "zlib needs feature \"zlib\", which this build lacks"),
        ] {
            let refused = Codec::parse(text).map_or_else(|error| error.to_string(), |_| "accepted".into());
            assert_eq!(refused, expected(feature, "accepted", without));
        }
        assert_eq!(Codec::parse("none").unwrap().id.0, 0);
    }
}
