//! Clients that mean harm, or know no better: the machine neither panics nor hangs, and the program ends as ever.

use process::Exit;

use crate::client::{Client, at, start};

/// The connection is over, or the client can still ask something.
fn is_served(client: &mut Client) -> bool {
    client.send(b"qC");
    while let Some(answer) = client.answer() {
        if answer.starts_with(b"QC") {
            return true;
        }
    }
    false
}

/// After all of it, a well-behaved debugger finds the program at its first instruction.
fn then_all_is_well(machine: crate::client::Running) {
    let mut gdb = machine.debug();
    assert_eq!(gdb.pc(), at(0));
    assert_eq!(gdb.ask("c"), "W2a");
    assert_eq!(machine.end().exit, Exit::Code(42));
}

#[test]
fn a_spoilt_packet_is_asked_for_again() {
    let machine = start(0, true);
    let mut client = machine.connect();
    client.raw(b"$qC#00");
    assert_eq!(client.byte(), Some(b'-'));
    assert!(is_served(&mut client));
    drop(client);
    then_all_is_well(machine);
}

#[test]
fn nonsense_ends_a_session_at_most() {
    let machine = start(0, true);
    let packets: &[&[u8]] = &[
        b"",
        b"m",
        b"m,",
        b"m0",
        b"mffffffffffffffffffff,1",
        b"m0,ffffffffffffffffffff",
        b"M0,4:00",
        b"M0,2:0",
        b"X0,5:a",
        b"g0",
        b"G",
        b"G00",
        b"p",
        b"pffffffffffffffff",
        b"P0",
        b"P0=",
        b"Pfff=00",
        b"H",
        b"Hg",
        b"Hgp",
        b"Hg-1",
        b"Hgp-1.-1",
        b"Hgffffffffffffffffffffffff",
        b"Tp1.ffffffff",
        b"Z",
        b"Z0",
        b"Z0,",
        b"Z9,0,0",
        b"Z0,3,4",
        b"Z2,0,0",
        b"Z2,ffffffffffffffff,ffffffffffffffff",
        b"z0,0,0",
        b"vCont",
        b"vCont;",
        b"vCont;x",
        b"vCont;C",
        b"vCont;Czz",
        b"vCont;s",
        b"vCont;r1",
        b"vCont;t",
        b"vAttach;1",
        b"vRun;",
        b"R00",
        b"vFile:open:zz,0,0",
        b"vFile:open:,0,0",
        b"vFile:pread:9,ffffffff,0",
        b"vFile:close:ffffffff",
        b"vFile:readlink:",
        b"qXfer:auxv:read::",
        b"qXfer:auxv:read::ffffffffffffffff,ffffffffffffffff",
        b"qXfer:siginfo:read::0,1",
        b"qXfer:features:read:../../etc/passwd:0,fff",
        b"qRcmd,",
        b"qRcmd,zz",
        b"qRcmd,766d6d617020ff",
        b"qMemoryRegionInfo:",
        b"QPassSignals:zz",
        b"QPassSignals:;;",
        b"qThreadExtraInfo,",
        b"qThreadExtraInfo,0",
        b"qSearch:memory:0;ffffffff;00",
        b"\xff\xfe\xfd",
        b"C",
        b"Czz",
        b"S0",
        b"bs",
        b"bc",
        b"t",
        b"vStopped",
        b"QNonStop:1",
        b"qSupported:multiprocess",
        b"qSupported:;;;=+",
    ];
    for packet in packets {
        let mut client = machine.connect();
        client.send(packet);
        is_served(&mut client);
    }
    then_all_is_well(machine);
}

#[test]
fn a_packet_without_end_is_cut_off() {
    let machine = start(0, true);
    let mut client = machine.connect();
    client.raw(b"$");
    for _ in 0..64 {
        client.raw(&[b'x'; 4096]);
    }
    assert_eq!(client.byte(), None, "the machine hung up");
    then_all_is_well(machine);
}

#[test]
fn one_who_does_not_read_is_cut_off() {
    let machine = start(0, true);
    let mut client = machine.connect();
    client.stream.set_nonblocking(true).expect("a socket");
    let ask = b"$qXfer:features:read:target.xml:0,3fff#";
    let sum = ask[1..ask.len() - 1]
        .iter()
        .fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    let packet = [ask.as_slice(), format!("{sum:02x}").as_bytes()].concat();
    let lost = (0..2_000_000).any(|_| {
        matches!(std::io::Write::write(&mut client.stream, &packet),
            Err(error) if error.kind() != std::io::ErrorKind::WouldBlock)
    });
    assert!(lost, "the machine hung up");
    drop(client);
    then_all_is_well(machine);
}

/// Random bytes, and random packets with right checksums, by a fixed seed.
#[test]
fn noise() {
    let machine = start(0, true);
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    // Nothing that lets the program go or kills it: that would be an end of its own.
    let heads: &[&str] = &[
        "m",
        "M",
        "X",
        "g",
        "G",
        "p",
        "P",
        "Hg",
        "Hc",
        "T",
        "Z0,",
        "Z1,",
        "Z2,",
        "Z4,",
        "z0,",
        "z2,",
        "qXfer:",
        "qRcmd,",
        "vFile:open:",
        "vFile:pread:",
        "vFile:",
        "qMemoryRegionInfo:",
        "QPassSignals:",
        "qSupported:",
        "q",
        "Q",
        "j",
    ];
    let letters = b"0123456789abcdef,:;.-pmr*+=/#}$";
    for _ in 0..40 {
        let mut client = machine.connect();
        for _ in 0..40 {
            let mut packet = heads[random(heads.len())].as_bytes().to_vec();
            for _ in 0..random(24) {
                packet.push(letters[random(letters.len() - 3)]);
            }
            client.send(&packet);
        }
        let noise: Vec<u8> = (0..random(300))
            .map(|_| random(256) as u8)
            .filter(|byte| *byte != b'$')
            .collect();
        client.raw(&noise);
        is_served(&mut client);
    }
    then_all_is_well(machine);
}
