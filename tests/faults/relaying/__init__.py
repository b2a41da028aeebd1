"""Bad days of the relay: killed, replaced, cut off and lied to, and judged by what somebody else reads in Kafka."""
