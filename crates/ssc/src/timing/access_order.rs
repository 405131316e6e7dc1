//! The recommended access order of segments of a tape: the order with a short sum of locates, by the model of the drive.

use super::drive_model::DriveModel;
use super::wrap_map::PhysicalPosition;
use std::time::Duration;

/// The places of the first and the last object of a segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Segment {
    /// Place of the first object.
    pub begin: PhysicalPosition,
    /// Place after the last object.
    pub end: PhysicalPosition,
}

/// Neighbours up to this distance in the order are tried as new places of a segment.
const REACH: usize = 24;

/// Time of the locates that read the segments in this order of their indices, from `start`. An index without a segment takes
/// no time.
#[must_use]
pub fn locate_time(model: &DriveModel, start: PhysicalPosition, segments: &[Segment], order: &[usize]) -> Duration {
    let mut at = start;
    let step = |index: &usize| {
        let Some(segment) = segments.get(*index) else { return Duration::ZERO };
        let time = model.locate(at, segment.begin);
        at = segment.end;
        time
    };
    order.iter().map(step).sum()
}

/// Indices of the segments in the recommended order, from `start`: the nearest segment next, then single segments moved
/// to places where they make the sum shorter. If the given order is as short, it is kept.
#[must_use]
pub fn recommended_order(model: &DriveModel, start: PhysicalPosition, segments: &[Segment]) -> Vec<usize> {
    let given: Vec<usize> = (0..segments.len()).collect();
    let mut order = nearest_next(model, start, segments);
    improve(model, start, segments, &mut order);
    let time = |order: &[usize]| locate_time(model, start, segments, order);
    if time(&given) <= time(&order) { given } else { order }
}

fn nearest_next(model: &DriveModel, start: PhysicalPosition, segments: &[Segment]) -> Vec<usize> {
    let (mut left, mut at): (Vec<usize>, _) = ((0..segments.len()).collect(), start);
    let mut order = Vec::with_capacity(left.len());
    let begin = |index: usize| segments.get(index).map(|segment| segment.begin).unwrap_or_default();
    while let Some((place, index)) =
        left.iter().copied().enumerate().min_by_key(|(_, index)| (model.locate(at, begin(*index)), *index))
    {
        left.swap_remove(place);
        order.push(index);
        at = segments.get(index).map_or(at, |segment| segment.end);
    }
    order
}

/// Moves single segments to a place nearby, while that makes the sum of the locates shorter.
fn improve(model: &DriveModel, start: PhysicalPosition, segments: &[Segment], order: &mut Vec<usize>) {
    for from in 0..order.len() {
        let window = from.saturating_sub(REACH)..(from + REACH).min(order.len());
        let before = part_time(model, start, segments, order, &window);
        let best = window
            .clone()
            .filter(|to| *to != from)
            .map(|to| {
                let mut changed = order.clone();
                let moved = changed.remove(from);
                changed.insert(to, moved);
                (part_time(model, start, segments, &changed, &window), to)
            })
            .min();
        if let Some((after, to)) = best
            && after < before
        {
            let moved = order.remove(from);
            order.insert(to, moved);
        }
    }
}

/// Time of the locates to the segments in a part of the order, and to the segment after it.
fn part_time(
    model: &DriveModel,
    start: PhysicalPosition,
    segments: &[Segment],
    order: &[usize],
    part: &std::ops::Range<usize>,
) -> Duration {
    let before = part.start.checked_sub(1).and_then(|last| segments.get(*order.get(last)?));
    let from = before.map_or(start, |segment| segment.end);
    let indices = order.get(part.start..(part.end + 1).min(order.len())).unwrap_or_default();
    locate_time(model, from, segments, indices)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::ULT3580_TD9;
    use crate::timing::WrapMap;
    use tape_store::media::LTO_9;
    use tape_store::medium::PartitionUsage;

    /// Files of ten blocks on a full LTO-9 cartridge of 100,000 blocks, by their first block.
    fn files(first: impl Iterator<Item = u64>) -> Vec<Segment> {
        let usage = PartitionUsage { capacity: 1_000_000, used: 1_000_000, objects: 100_000, ..Default::default() };
        let map = WrapMap::new(280, 1035, 1_000_000, &[usage]);
        first.map(|first| Segment { begin: map.position(0, first), end: map.position(0, first + 10) }).collect()
    }

    #[test]
    fn order_is_a_permutation_and_shorter_than_file_and_random_order() {
        let model = DriveModel::new(&ULT3580_TD9, &LTO_9);
        let next =
            |seed: &u64| Some(seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407));
        let random: Vec<u64> =
            std::iter::successors(Some(7), next).skip(1).map(|seed| (seed >> 33) % 99_990).take(300).collect();
        let mut sorted = random.clone();
        sorted.sort_unstable();
        let time = |files: &[Segment], order: &[usize]| locate_time(&model, PhysicalPosition::default(), files, order);
        let (random, sorted) = (files(random.into_iter()), files(sorted.into_iter()));
        let given: Vec<usize> = (0..300).collect();
        let order = recommended_order(&model, PhysicalPosition::default(), &sorted);
        let mut indices = order.clone();
        indices.sort_unstable();
        assert_eq!(indices, given);
        let (in_random, in_order, recommended) = (time(&random, &given), time(&sorted, &given), time(&sorted, &order));
        assert!(recommended * 2 < in_order, "{recommended:?}, in order {in_order:?}");
        assert!(recommended * 5 < in_random * 2, "{recommended:?}, random {in_random:?}");
    }

    #[test]
    fn few_segments() {
        let model = DriveModel::new(&ULT3580_TD9, &LTO_9);
        assert_eq!(recommended_order(&model, PhysicalPosition::default(), &[]), [0; 0]);
        let files = files([50, 20].into_iter());
        assert_eq!(recommended_order(&model, PhysicalPosition::default(), &files), [1, 0]);
    }
}
