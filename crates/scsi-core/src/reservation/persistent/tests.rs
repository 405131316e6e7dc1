//! The service actions of PERSISTENT RESERVE OUT (SPC-4 §5.13) on the state of a logical unit, without commands.

use super::*;

fn port(n: u8) -> TransportId {
    TransportId::iscsi("iqn.test", [0, 0, 0, 0, 0, n])
}

fn request<'a>(caller: &'a TransportId, key: u64, action_key: u64, kind: u8) -> ReserveOutParameters<'a> {
    ReserveOutParameters { caller, key, action_key, kind: ReservationType(kind), all_target_ports: false, aptpl: false }
}

/// A unit with three ports registered with keys 1, 2 and 3. The first holds a reservation of this type.
fn reserved(kind: u8) -> (PersistentReservations, [TransportId; 3]) {
    let ports = [port(1), port(2), port(3)];
    let mut unit = PersistentReservations::default();
    for (port, key) in ports.iter().zip(1..) {
        unit.register(&request(port, 0, key, 0), false, None).unwrap();
    }
    unit.reserve(&request(&ports[0], 1, 0, kind)).unwrap();
    (unit, ports)
}

#[test]
fn wrong_key_conflicts_in_every_service_action() {
    let (mut unit, ports) = reserved(3);
    let wrong = request(&ports[0], 9, 2, 3);
    assert_eq!(unit.register(&wrong, false, None), Err(Fault::ReservationConflict));
    assert_eq!(unit.reserve(&wrong), Err(Fault::ReservationConflict));
    assert_eq!(unit.release(&wrong), Err(Fault::ReservationConflict));
    assert_eq!(unit.clear(&wrong), Err(Fault::ReservationConflict));
    assert_eq!(unit.preempt(&wrong), Err(Fault::ReservationConflict));
    assert_eq!(unit.register_and_move(&wrong, &ports[1], false), Err(Fault::ReservationConflict));
    assert_eq!(unit.generation(), 3);
}

#[test]
fn commands_are_allowed_for_the_holder_or_all_registrants() {
    for kind in [1, 3] {
        let (unit, ports) = reserved(kind);
        assert_eq!(unit.conflicting_reservation(Some(&ports[0])), ConflictingReservation::NoConflict);
        assert_eq!(
            unit.conflicting_reservation(Some(&ports[1])),
            ConflictingReservation::Persistent(ReservationType(kind))
        );
        assert_eq!(unit.conflicting_reservation(None), ConflictingReservation::Persistent(ReservationType(kind)));
    }
    for kind in [5, 6, 7, 8] {
        let (unit, ports) = reserved(kind);
        assert_eq!(unit.conflicting_reservation(Some(&ports[1])), ConflictingReservation::NoConflict);
        assert_eq!(
            unit.conflicting_reservation(Some(&port(9))),
            ConflictingReservation::Persistent(ReservationType(kind))
        );
    }
}

#[test]
fn release_raises_attention_only_for_registrants_types() {
    for (kind, attentions) in [(1, 0), (3, 0), (5, 2), (6, 2), (7, 2), (8, 2)] {
        let (mut unit, ports) = reserved(kind);
        assert!(matches!(
            unit.release(&request(&ports[0], 1, 0, if kind == 1 { 3 } else { 1 })),
            Err(Fault::CheckCondition(sense)) if sense.asc == Asc(0x2604)
        ));
        let effects = unit.release(&request(&ports[0], 1, 0, kind)).unwrap();
        assert_eq!(effects.attentions.len(), attentions, "type {kind}");
        assert!(effects.attentions.iter().all(|(_, asc)| *asc == Asc(0x2a04)));
        assert_eq!(unit.reservation(), None);
    }
}

#[test]
fn holder_unregistering_releases_except_all_registrants() {
    let (mut unit, ports) = reserved(5);
    let effects = unit.register(&request(&ports[0], 1, 0, 0), false, None).unwrap();
    assert_eq!(effects.attentions.len(), 2);
    assert_eq!(unit.reservation(), None);
    let (mut unit, ports) = reserved(7);
    unit.register(&request(&ports[0], 1, 0, 0), false, None).unwrap();
    assert_eq!(unit.reservation(), Some((ReservationType(7), 0)));
    unit.register(&request(&ports[1], 2, 0, 0), false, None).unwrap();
    unit.register(&request(&ports[2], 3, 0, 0), false, None).unwrap();
    assert_eq!(unit.reservation(), None);
}

#[test]
fn preempting_the_holder_moves_the_reservation() {
    let (mut unit, ports) = reserved(3);
    let effects = unit.preempt(&request(&ports[1], 2, 1, 1)).unwrap();
    assert_eq!(effects.preempted_ports, [ports[0].clone()]);
    assert_eq!(effects.attentions, [(ports[0].clone(), Asc(0x2a05)), (ports[2].clone(), Asc(0x2a04))]);
    assert_eq!(unit.reservation(), Some((ReservationType(1), 2)));
    assert_eq!(unit.generation(), 4);
}

#[test]
fn preempting_a_non_holder_keeps_the_reservation() {
    let (mut unit, ports) = reserved(3);
    unit.preempt(&request(&ports[1], 2, 3, 1)).unwrap();
    assert_eq!(unit.reservation(), Some((ReservationType(3), 1)));
    assert_eq!(unit.registrations().len(), 2);
    assert_eq!(unit.preempt(&request(&ports[1], 2, 77, 1)), Err(Fault::ReservationConflict));
    assert!(matches!(unit.preempt(&request(&ports[1], 2, 0, 1)), Err(Fault::CheckCondition(_))));
}

#[test]
fn key_zero_preempts_all_registrants() {
    let (mut unit, ports) = reserved(8);
    let effects = unit.preempt(&request(&ports[2], 3, 0, 3)).unwrap();
    assert_eq!(effects.preempted_ports, ports);
    assert_eq!(effects.attentions.iter().map(|(port, _)| port).collect::<Vec<_>>()[..2], [&ports[0], &ports[1]]);
    assert_eq!(unit.registrations().len(), 1);
    assert_eq!(unit.reservation(), Some((ReservationType(3), 3)));
}

#[test]
fn a_preempted_all_registrants_holder_loses_its_rights() {
    let (mut unit, ports) = reserved(7);
    unit.preempt(&request(&ports[1], 2, 1, 7)).unwrap();
    assert_eq!(unit.conflicting_reservation(Some(&ports[0])), ConflictingReservation::Persistent(ReservationType(7)));
    assert!(!unit.holds(&ports[0]) && unit.holds(&ports[2]));
}

#[test]
fn clear_removes_registrations_and_the_reservation() {
    let (mut unit, ports) = reserved(3);
    let effects = unit.clear(&request(&ports[1], 2, 0, 0)).unwrap();
    assert_eq!(effects.attentions.len(), 2);
    assert!(effects.attentions.iter().all(|(_, asc)| *asc == Asc(0x2a03)));
    assert!(unit.registrations().is_empty());
    assert_eq!(unit.reservation(), None);
}

#[test]
fn register_and_move_registers_the_other_port() {
    let (mut unit, ports) = reserved(3);
    let destination = port(9);
    unit.register_and_move(&request(&ports[0], 1, 0x99, 0), &destination, true).unwrap();
    assert_eq!(unit.reservation(), Some((ReservationType(3), 0x99)));
    assert_eq!(unit.registrations().len(), 3);
    assert_eq!(unit.reserve(&request(&ports[0], 1, 0, 3)), Err(Fault::ReservationConflict));
}

#[test]
fn power_loss_keeps_only_aptpl_reservations() {
    let (mut unit, ports) = reserved(3);
    assert_eq!(unit.saved(), SavedReservations::default());
    let aptpl = ReserveOutParameters { aptpl: true, ..request(&ports[0], 1, 1, 0) };
    unit.register(&aptpl, false, None).unwrap();
    let restored = PersistentReservations::from_saved(unit.saved());
    assert_eq!(restored.registrations(), unit.registrations());
    assert_eq!(restored.reservation(), Some((ReservationType(3), 1)));
    assert_eq!(restored.generation(), 0);
    assert_eq!(PersistentReservations::from_saved(SavedReservations::default()).registrations(), []);
}

#[test]
fn registrations_are_limited() {
    let mut unit = PersistentReservations::default();
    for n in 0..256_u16 {
        let [high, low] = n.to_be_bytes();
        let port = TransportId::iscsi("iqn.many", [0, 0, 0, 0, high, low]);
        unit.register(&request(&port, 0, 1, 0), false, None).unwrap();
    }
    let full = unit.register(&request(&port(1), 0, 1, 0), false, None);
    assert!(matches!(full, Err(Fault::CheckCondition(sense)) if sense.asc == Asc(0x5504)));
}
