"""Many workers, one capacity: the banks live in Valkey, and each worker decides with what it has drawn of them."""
