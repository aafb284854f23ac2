"""An extension of pdtrain. Whatever of it is imported first, its property is known from then on."""

from sparse_vision import property as property  # imported for what it adds to PROPERTIES
