"""The paper's figures, each made by `gradpareto reproduce`."""
