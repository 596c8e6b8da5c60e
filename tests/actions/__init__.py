"""What a maintainer does to one instance: approve, revoke, restore, exclude, include, erase."""
