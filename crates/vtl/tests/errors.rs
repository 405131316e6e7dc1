//! Every error type of the public interfaces passes through `?` into a boxed error, also between threads.

use std::error::Error;

const fn is_error<T: Error + Send + Sync + 'static>() {}

#[test]
fn error_types_are_errors_that_threads_can_share() {
    is_error::<tape_store::StoreError>();
    is_error::<tape_store::CodecError>();
    is_error::<tape_store::RemoveError>();
    is_error::<tape_store::encrypt::DecryptError>();
    is_error::<tape_store::image::ImageError>();
    is_error::<ssc::ShutDownError>();
    is_error::<smc::MoveError>();
    is_error::<smc::OperatorError>();
    is_error::<vtl::ConfigError>();
    is_error::<vtl::ControlError>();
    is_error::<vtl::HostError>();
    is_error::<vtl::LibraryError>();
    is_error::<vtl::config::ValueError>();
    is_error::<vtl::data_dir::DataDirError>();
    is_error::<vtl::data_dir::UpgradeError>();
    is_error::<vtl::state_store::StateError>();
}

/// The error of an insertion carries the cartridge, which one thread has at a time.
#[test]
fn error_of_an_insertion_can_be_sent() {
    const fn is_error<T: Error + Send + 'static>() {}
    is_error::<tape_store::InsertError>();
}

#[test]
fn texts_name_the_place_and_the_value() {
    let mut drives = vtl::Library::builder().drives("ULT3580-TD8", 1).cartridges("A1L8", 1, "64MB").open().map(drop);
    assert!(drives.is_ok());
    drives = vtl::Library::builder().drives("ULT3580-TD8", 1).cartridges("A1L8", 2, "64MB").open().map(drop);
    let text = drives.err().map(|error| error.to_string()).unwrap_or_default();
    assert!(text.contains("\"A1L8\" has no # to count 2 cartridges with, as in \"V#####L8\""), "{text}");
}
