//! Pages and filters.

use super::serve;
use serde_json::Value;

/// The names of the items of all pages.
fn walk(served: &super::Served, target: &str, name: &str) -> Vec<Vec<String>> {
    let (mut pages, mut after) = (Vec::new(), String::new());
    loop {
        let page = served.get(&format!("{target}{after}")).json();
        let names = page["items"].as_array().unwrap().iter().map(|item| item[name].as_str().unwrap().to_owned());
        pages.push(names.collect::<Vec<_>>());
        match &page["next"] {
            Value::String(next) => after = format!("&after={next}"),
            _ => return pages,
        }
    }
}

const MANY: &str = r##"
[[library]]
slots = 30
import_export = 2
[[library.cartridges]]
pattern = "A##L8"
count = 20
size = "64MB"
[[pool]]
name = "scratch"
pattern = "A0#L8"
size = "64MB"
"##;

#[test]
fn lists_have_pages_and_filters() {
    let served = serve(MANY);
    let slots = walk(&served, "/v1/slots?limit=10", "element");
    assert_eq!(slots.iter().map(Vec::len).collect::<Vec<_>>(), [10, 10, 10, 2]);
    assert_eq!((slots[0][0].as_str(), slots[0][1].as_str(), slots[0][2].as_str()), ("io1", "io2", "slot1"));
    assert_eq!(slots[3][1], "slot30");
    // A page that ends with the last I/O element, and one that ends with the last slot.
    assert_eq!(walk(&served, "/v1/slots?limit=2", "element")[1], ["slot1", "slot2"]);
    assert_eq!(walk(&served, "/v1/slots?limit=16", "element").len(), 2);
    assert_eq!(walk(&served, "/v1/slots?full=false&type=slot&limit=4", "element").concat().len(), 10);
    assert_eq!(walk(&served, "/v1/slots?type=io", "element"), [["io1", "io2"]]);
    let cartridges = walk(&served, "/v1/cartridges?limit=7", "cartridge");
    assert_eq!(cartridges.iter().map(Vec::len).collect::<Vec<_>>(), [7, 7, 6]);
    assert_eq!((cartridges[0][0].as_str(), cartridges[2][5].as_str()), ("A01L8", "A20L8"));
    assert_eq!(walk(&served, "/v1/cartridges?pool=scratch&limit=5", "cartridge").concat().len(), 9);
    assert_eq!(walk(&served, "/v1/cartridges?barcode=1L", "cartridge"), [["A01L8", "A11L8"]]);
    assert_eq!(walk(&served, "/v1/cartridges?library=main&limit=20", "cartridge").len(), 1);
    assert!(walk(&served, "/v1/cartridges?shelf=main", "cartridge")[0].is_empty());
    assert_eq!(served.get("/v1/cartridges?pool=daily").problem().0, 404);
    assert_eq!(served.get("/v1/cartridges?library=far").problem().0, 404);
}
