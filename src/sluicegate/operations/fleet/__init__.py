"""A fleet as one: what its workers tell each other of themselves, added up; and which of them writes it down."""
