//! What is known of how near to the threshold people are accepted.

use super::*;

#[test]
fn verifying_changes_no_template_and_is_told_in_the_list() {
    let mut client = client(0, 1);
    let drift = |client: &mut Client<Wire>| match client.ask(&Request::List { index: 0 }) {
        Ok(Response::Subject {
            entry: Some(("ada", 3, drift)),
        }) => drift,
        other => panic!("{other:?}"),
    };
    for which in 0..3 {
        upload(&mut client, &drawing(0, which));
        client.ask(&enroll("ada", false)).unwrap();
    }
    let enrolled = drift(&mut client);
    assert!(enrolled.count() == 0 && enrolled.enrolled().is_some());
    let verify = |client: &mut Client<Wire>, pixels: &[u8]| {
        upload(client, pixels);
        match client.ask(&Request::Verify { subject: "ada" }).unwrap() {
            Response::Verified { verdict, scores } => (verdict, scores),
            other => panic!("{other:?}"),
        }
    };
    let (own, stranger) = (drawing(0, 3), drawing(3, 0));
    let first = [&own, &stranger].map(|pixels| verify(&mut client, pixels));
    let verdicts = first.map(|(verdict, _)| verdict);
    assert_eq!(verdicts, [Verdict::Accept, Verdict::Reject]);
    for _ in 0..40 {
        verify(&mut client, &own);
    }
    let last = [&own, &stranger].map(|pixels| verify(&mut client, pixels));
    assert_eq!(last, first);
    let found = drift(&mut client);
    assert_eq!(found.count(), WINDOW);
    assert_eq!(found.enrolled(), enrolled.enrolled());
}
