//! `[[library.cartridges]]`.

use super::former_words::{replace_element, replace_level};
use super::source::Source;
use super::values::{format, number_or_one, required, size};
use crate::config::tables::{CartridgeTable, Tables, Text};
use crate::config::{CartridgeSetup, ConfigError, LibraryLines, barcodes};
use smc::element::{ElementAddress, ElementLayout, LabelDefect};
use std::collections::{BTreeMap, BTreeSet};
use tape_store::cartridge::{Barcode, CartridgeKind, Format};
use tape_store::media::MediaSpec;
use toml::Spanned;

pub(super) fn cartridges(
    source: &Source<'_>,
    tables: Option<Tables<CartridgeTable>>,
    layout: &ElementLayout,
    lines: &mut LibraryLines,
) -> Result<Vec<CartridgeSetup>, ConfigError> {
    let mut cartridges: Vec<CartridgeSetup> = Vec::new();
    let Some(tables) = tables else { return default_cartridges(source, layout) };
    let (mut known, mut places) = (BTreeSet::new(), BTreeMap::new());
    for table in tables {
        let table_at = table.span().start;
        let mut table = table.into_inner();
        replace_level(source, "cartridges", &mut table.format, table.level.take())?;
        replace_element(source, "cartridges.at", &mut table.at);
        let spec = cartridge_spec(source, &table)?;
        let pattern = required(source, &table.pattern, "cartridges.pattern", table_at)?;
        let at = pattern.span().start;
        let mut made =
            expand_pattern(pattern.get_ref(), number_or_one(&table.first), number_or_one(&table.count), &spec)
                .map_err(|message| source.error(at, "cartridges.pattern", message))?;
        if let Some(text) = &table.at {
            place(source, layout, text, &mut made)?;
        }
        for cartridge in made {
            let (format, barcode) = (cartridge.format, &cartridge.barcode);
            format_has_medium(source, format, table.format.as_ref(), "cartridges.format", barcode, cartridge.media)?;
            if !known.insert(cartridge.barcode.clone()) {
                let message = format!("barcode {} is given twice", cartridge.barcode);
                return Err(source.error(at, "cartridges.pattern", message));
            }
            let other = cartridge.element.and_then(|place| places.insert(place, cartridge.barcode.clone()));
            if let Some(other) = other {
                let at = table.at.as_ref().map_or(at, |text| text.span().start);
                let message = format!("{} and {other} are put into the same element", cartridge.barcode);
                return Err(source.error(at, "cartridges.at", message));
            }
            cartridges.push(cartridge);
            lines.cartridges.push(source.line(at));
            lines.elements.push(source.line(table.at.as_ref().map_or(at, |text| text.span().start)));
        }
    }
    Ok(cartridges)
}

/// Up to twenty cartridges, one of them for cleaning; one slot stays empty, for moves from slot to slot.
fn default_cartridges(source: &Source<'_>, layout: &ElementLayout) -> Result<Vec<CartridgeSetup>, ConfigError> {
    let slots = layout.storage.count;
    let all = slots.saturating_sub(1).clamp(1, 20);
    let cleaning = u16::from(all > 1);
    let mut cartridges = Vec::new();
    for (pattern, count) in [("V#####L8", all - cleaning), ("CLN001L8", cleaning)] {
        if count == 0 {
            continue;
        }
        let made = expand_pattern(pattern, 1, count, &CartridgeSpec::default())
            .map_err(|message| source.error(0, "cartridges", message))?;
        cartridges.extend(made);
    }
    Ok(cartridges)
}

/// Assigns the elements from the one that `at` names to new cartridges.
fn place(
    source: &Source<'_>,
    layout: &ElementLayout,
    text: &Spanned<String>,
    made: &mut [CartridgeSetup],
) -> Result<(), ConfigError> {
    let wrong = |message: String| source.error(text.span().start, "cartridges.at", message);
    let groups = [
        ("slot", layout.storage, "slots"),
        ("io", layout.import_export, "import/export elements"),
        ("drive", layout.drives, "drives"),
    ];
    let (range, kind, number) = groups
        .into_iter()
        .find_map(|(word, range, kind)| Some((range, kind, text.get_ref().strip_prefix(word)?.parse::<u16>().ok()?)))
        .filter(|(.., number)| *number > 0)
        .ok_or_else(|| wrong(format!("{:?} is not an element such as slot1, io1 or drive1", text.get_ref())))?;
    for (step, cartridge) in (number - 1..).zip(made) {
        if step >= range.count {
            let message = format!("there is no room for {}: the library has {} {kind}", cartridge.barcode, range.count);
            return Err(wrong(message));
        }
        cartridge.element = Some(ElementAddress(range.first + step));
    }
    Ok(())
}

/// Refuses a medium that the format of a new cartridge's files does not have: mhvtl has no LTO-7 Type M and no LTO-10.
pub(super) fn format_has_medium(
    source: &Source<'_>,
    format: Format,
    text: Option<&Spanned<String>>,
    key: &str,
    barcode: &Barcode,
    media: &MediaSpec,
) -> Result<(), ConfigError> {
    if format != Format::Mhvtl || tape_store::mhvtl::media::for_media(media).is_some() {
        return Ok(());
    }
    let message =
        format!("\"mhvtl\" has no {} medium, which {barcode} needs; use another medium or \"native\"", media.name);
    Err(source.error(text.map_or(0, |text| text.span().start), key, message))
}

/// Properties of the cartridges of a table; `None` for a key that is not given.
#[derive(Default)]
struct CartridgeSpec {
    medium: Option<&'static MediaSpec>,
    kind: Option<CartridgeKind>,
    size: Option<u64>,
    format: Format,
    label: Option<LabelDefect>,
}

fn cartridge_spec(source: &Source<'_>, table: &CartridgeTable) -> Result<CartridgeSpec, ConfigError> {
    fn known<T>(
        source: &Source<'_>,
        text: &Text,
        key: &str,
        by_name: impl Fn(&str) -> Option<T>,
        names: &[&str],
    ) -> Result<Option<T>, ConfigError> {
        let Some(text) = text else { return Ok(None) };
        let name = text.get_ref();
        let expected = match names {
            [only] => format!("{name:?} is not {only:?}"),
            several => format!("{name:?} is not one of {}", several.join(", ")),
        };
        let unknown = || source.error(text.span().start, key, expected);
        by_name(name).ok_or_else(unknown).map(Some)
    }
    let media: Vec<_> = tape_store::media::names().collect();
    let label = |name: &str| (name == "missing").then_some(LabelDefect::Missing);
    Ok(CartridgeSpec {
        medium: known(source, &table.medium, "cartridges.medium", tape_store::media::by_name, &media)?,
        kind: known(
            source,
            &table.kind,
            "cartridges.kind",
            CartridgeKind::by_name,
            &CartridgeKind::ALL.map(CartridgeKind::name),
        )?,
        size: size(source, &table.size, "cartridges.size")?,
        format: format(source, table.format.as_ref(), "cartridges.format")?,
        label: known(source, &table.label, "cartridges.label", label, &["missing"])?,
    })
}

pub(super) fn media(barcode: &Barcode) -> Result<&'static MediaSpec, String> {
    barcode.media().map(|(media, _)| media).ok_or_else(|| {
        let known: Vec<_> = tape_store::media::suffixes().collect();
        format!("{barcode} does not end in a media identifier: {}", known.join(", "))
    })
}

fn expand_pattern(pattern: &str, first: u16, count: u16, spec: &CartridgeSpec) -> Result<Vec<CartridgeSetup>, String> {
    let &CartridgeSpec { medium, kind, size, format, label } = spec;
    let setup = |barcode: Barcode| {
        let media = medium.map_or_else(|| media(&barcode), Ok)?;
        let (kind, size) = (kind.unwrap_or(barcode.kind()), size.unwrap_or(media.capacity));
        Ok(CartridgeSetup { barcode, media, kind, size, format, element: None, label })
    };
    let barcodes = barcodes::expand(pattern, first.into(), count.into()).map_err(|error| error.to_string())?;
    barcodes.into_iter().map(setup).collect()
}
