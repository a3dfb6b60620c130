//! R4, R19: what is made where or while nobody looks.

use super::*;
use std::fs::rename;

#[test]
fn r4_a_file_that_a_look_missed_because_it_was_renamed_meanwhile_is_found_with_the_next() {
    for is_polled in [true, false] {
        let mut desk = Desk::new(&["app.log"]);
        let pause = Duration::from_secs(10);
        if is_polled {
            desk.limits.watches_max = 0;
            desk.limits.poll_every = (pause, pause);
        }
        desk.start();
        let look = |desk: &mut Desk| {
            desk.tail().overflow = !is_polled;
            desk.now += pause;
            desk.run();
        };
        look(&mut desk);
        desk.later();
        // As little as in the middle of a look, this name is seen.
        desk.write("a.tmp", "1\n");
        look(&mut desk);
        rename(desk.path("a.tmp"), desk.path("app.log.1")).unwrap();
        look(&mut desk);
        assert_eq!(desk.take(), "1\n", "{is_polled}");
        look(&mut desk);
        assert_eq!(desk.take(), "", "{is_polled}");
    }
}
