use crate::repository::{file, under};

/// The part of each `name://rest` of a comma-separated list.
fn listener<'a>(block: &[&'a str], variable: &str, name: &str) -> Option<&'a str> {
    let list = block.iter().find_map(|line| line.trim().strip_prefix(variable)?.strip_prefix(": "))?;
    list.split(',').find_map(|listener| listener.strip_prefix(name)?.strip_prefix("://"))
}

#[test]
fn programs_outside_of_docker_reach_the_kafka_of_compose_under_the_address_that_it_tells_them() {
    let compose = file("docker/compose.yaml");
    let kafka = under(&compose, "  kafka:");
    let inside = listener(&kafka, "KAFKA_LISTENERS", "HOST").expect("a listener for the host");
    let told = listener(&kafka, "KAFKA_ADVERTISED_LISTENERS", "HOST").expect("an address for the host");
    let published = format!("      - \"{told}{inside}\"");
    assert!(kafka.contains(&published.as_str()), "{published} is not among {kafka:#?}");
    assert!(told.starts_with("127.0.0.1:") && told.contains("9092"), "{told}");
    let protocols = kafka.iter().find(|line| line.contains("KAFKA_LISTENER_SECURITY_PROTOCOL_MAP")).expect("protocols");
    assert!(protocols.contains("HOST:PLAINTEXT"), "{protocols}");
}
