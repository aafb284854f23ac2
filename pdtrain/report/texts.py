"""Titles of the report's figures, in their order on the page, and how to read each."""

TITLES = {
    "dimension": "Intrinsic dimension along depth",
    "indices": "Pruning and distillation",
    "information": "Information per unit along depth",
    "information_at_fixed_identity": "Information at fixed identity along depth",
    "similarity": "Similarity to the untrained network along depth",
    "similarity_previous": "Similarity to the point before along depth",
    "layer_similarity": "Similarity of layers",
    "similarity_epochs": "Similarity of epochs",
    "paths": "The path of each layer",
    "objects": "View-invariant object information along depth",
    "unit_map": "Which unit carries what",
    "units": "How information is spread over units",
    "heat_maps": "Every layer at every epoch",
    "accuracy": "Accuracy",
    "stimuli": "Stimuli",
    "properties": "Properties of the stimuli",
    "areas": "Along the hierarchy",
    "neurons": "How information is spread over neurons",
    "comparison_dimension": "Intrinsic dimension along depth, after training",
    "comparison_information": "Information per unit along depth, after training",
    "comparison_information_at_fixed_identity": "Information at fixed identity along depth, after training",
    "comparison_objects": "View-invariant object information along depth, after training",
    "similarity_runs": "Similarity of the layers of runs",
    "similarity_same_layers": "Similarity of the same layer in two runs",
    "comparison_similarity": "Similarity to the untrained network, after training",
    "comparison_similarity_previous": "Similarity to the point before, after training",
    "comparison_indices": "Indices after training",
    "comparison_differences": "Differences between settings",
    "comparison_dynamics": "Indices over epochs",
    "comparison_accuracy": "Dimension of the last hidden layer and accuracy",
}
STARS = "A star marks a layer in which the two differ at 5%, paired over stimuli and units, corrected for the number of layers."
PUBLISHED = "Open markers on dotted lines are digitised from figures of papers, which showed other images to networks of this kind:"
HOW_TO_READ = {
    "information_at_fixed_identity": "Beside the figure above: what a unit tells about the property among images of one class. Where a "
    "property goes with the class, as luminance does in photographs, a unit that tells the class tells it too; here that is left out. "
    "Cut in fewer bins than above, so compare the shapes, not the heights. Bands: 95% interval over stimuli. A star: differs at 5%.",
    "similarity": "How much of its untrained geometry a layer keeps, on the same stimuli: linear CKA without bias, and RSA. 1: the same "
    "but for rotation and scale; around 0: nothing in common. Training often leaves early layers nearly as they were. Bands: 95% "
    "interval over stimuli.",
    "similarity_previous": "How alike a layer is to itself one probe point before: where it is 1, the layer has come to rest. "
    "It depends on how far apart the points are. Bands: 95% interval over stimuli.",
    "layer_similarity": "Every layer against every other, by linear CKA without bias and by RSA. Blocks of light colour are layers that "
    "represent the stimuli alike. Wherever two layers share what the images themselves bring along, they are alike to some degree before "
    "any learning: compare with the untrained network on the left, and with the line of the input.",
    "similarity_epochs": "A panel each layer: every epoch against every other, by linear CKA without bias. A light square is a time in which "
    "the layer hardly changed; the first line tells how far it is from the untrained network, the last how early it became what it is.",
    "similarity_runs": "The layers of one run (upwards) against those of another, on the same stimuli; of several seeds the mean over pairs. "
    "A light diagonal: the same layer represents the stimuli alike. Values, and those of all settings, stand in similarity.csv.",
    "similarity_same_layers": "The same layer in two runs, on the same stimuli: between seeds of one setting, and between settings. What seeds "
    "of one setting have in common is the most that another setting can be expected to have in common with them. Bands: 95% interval, "
    "over runs where there are three seeds or more, over stimuli for two runs.",
    "comparison_similarity": "How much of its untrained geometry each layer keeps: mean over seeds for each setting; bands as above.",
    "comparison_similarity_previous": "How alike each layer is to itself one probe point before the last: mean over seeds for each "
    "setting; bands as above.",
    "dimension": "Each point is a layer: how many independent directions its responses to the stimuli fill, with a 95% "
    "interval; from pale to dark through the epochs. Grey and dashed is the untrained network, which is flat or falls. A trained "
    "network rises, then falls: the hunchback. A high peak is expansion, a low end is contraction. Open triangles are lower "
    "bounds: to count so many dimensions takes more stimuli, so that their order tells more than their size. A star marks a layer in "
    "which the last epoch differs from the first at 5%, paired over stimuli.",
    "indices": "Distillation: the share of a property's information that is lost from the layer that carries most of it "
    "to the last hidden one. Active pruning: the share lost at the last hidden layer because of training. Both are 0 when "
    "nothing is lost and 1 when all is. At fixed identity: of what is told beyond the class. Expansion: peak dimension over that of "
    "the pixels; contraction: last over peak. Bands: 95% intervals over stimuli; right: the units that told something about the property before training and no more, with 95% intervals over units.",
    "information": "Mean over units, in bits, of what one unit tells about the property; bands: 95% interval over stimuli. Grey is "
    "untrained. Low-level information that falls with depth, and below the grey line, is distilled and pruned. Values around zero "
    "are nothing: the estimate is corrected for its bias. A star marks a layer in which the last epoch differs from the first at 5%, "
    "paired over stimuli and units, corrected for the number of layers (differences.csv). Where the input would dwarf all layers, "
    "as a pixel that tells all about itself, its value is written at the top.",
    "paths": "The same values over epochs, one line per layer, dark at the input and light at the output; bands: 95% "
    "intervals. Look for layers that part ways, and for when they do.",
    "objects": "What one unit tells about which of two objects is shown, whatever its view; and its share in all that the "
    "unit tells. Rising with depth while information about luminance falls is distillation. Bands: 95% interval over stimuli. A star: differs at 5%.",
    "unit_map": "Each line is a unit of the last hidden layer, each column a property; colours are stretched at the low "
    "end. Units are sorted by the property they tell most about. Before training, many tell a little of everything; after it, fewer, or other, columns are lit.",
    "units": "Share of units that carry less than a given information, or as much. A curve further left carries less.",
    "heat_maps": "Layers upwards, epochs to the right, the value as colour.",
    "accuracy": "Share of images recognised. A large gap between training and validation is memorising. Training is the mean "
    "over an epoch while the network changes; the square, where there is one, is the finished network, as it is probed, on the "
    "same images and labels.",
    "stimuli": "A sample of the images that were shown to the network to measure it.",
    "properties": "How each property is distributed over the stimuli. What hardly varies cannot be informative.",
    "areas": "Each point is an area, in the order of the hierarchy; where there is a network, its layers stand on the right. "
    "Dimension is measured on equal numbers of neurons of each area, information on all. Noise in the responses raises "
    "the dimension and hides information: the dashed line is extrapolated to infinitely many trials. Bands: 95% "
    "intervals over stimuli. Alike if both prune (luminance falls) and distill (view-invariant "
    "information rises); absolute values are not alike, as recordings sample few neurons.",
    "neurons": "Share of the neurons of an area that carry less than a given information, before noise is corrected. A curve "
    "further left carries less.",
    "comparison_dimension": "Mean over seeds for each setting, n of them; bands: 95% interval of the mean (Student's t over "
    "seeds; none for a single seed, and that of two seeds may go beyond the axes). Open triangles are lower bounds: so many dimensions take more stimuli. A star marks layers that differ at 5%: of two "
    "settings of at least three seeds over these, of two runs that saw the same stimuli paired over stimuli, with Holm's "
    "correction over layers.",
    "comparison_information": "Mean over seeds for each setting; bands as above.",
    "comparison_information_at_fixed_identity": "Mean over seeds for each setting; bands as above.",
    "comparison_objects": "Mean over seeds for each setting; bands as above.",
    "comparison_indices": "Each dot is one run; the bar is the mean over seeds, n of them, with its 95% interval (Student's t; that "
    "of two seeds may go beyond the axes).",
    "comparison_differences": "Mean of one setting less that of another, with its 95% interval over seeds. Filled: differs at 5% "
    "with Holm's correction over all that are shown. The numbers stand in the table of differences.",
    "comparison_dynamics": "Mean over seeds after each epoch; bands: 95% interval of the mean. Where lines part tells when a "
    "setting begins to matter.",
    "comparison_accuracy": "Each dot is a network (a setting, mean over its runs): dimension of its last hidden layer against the "
    "error that is published of its weights, or the error on validation images that its training ended with. Open markers are "
    "digitised from Fig. 4 of Ansuini et al. (2019), where r is 0.94 over 14 networks, on 2,000 mixed training images of ImageNet. It "
    "is a relation between architectures, not seeds: over 50 seeds of one network they found none.",
}
